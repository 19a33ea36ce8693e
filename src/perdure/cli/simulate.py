"""`perdure simulate …`: one outside system each, as a server.

`perdure up` runs this module by itself, and names the place of a command: simulators need little of
what the other commands import.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any

import typer
from typer.core import TyperGroup

from perdure.capabilities import attribute
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.observability.process import observing
from perdure.simulators.main import run_simulator


class _Commands(Mapping[str, Any]):
    """What the roles of outside systems declare, by name, or by place, as `module:function`."""

    def __getitem__(self, name: str) -> Any:
        place = name if ":" in name else _declared()[name]
        return _command(name, attribute(place))

    def __iter__(self) -> Iterator[str]:
        return iter(_declared())

    def __len__(self) -> int:
        return len(_declared())


class _Simulators(TyperGroup):
    """The group of all simulators; takes what `TyperGroup` takes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]


app = typer.Typer(
    cls=_Simulators,
    help="Outside systems as servers, with faults on demand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def simulate() -> None:
    """Outside systems as servers, with faults on demand."""


def _declared() -> dict[str, str]:
    # It knows every kind, which a simulator has no need of.
    from perdure.cli.simulated import commands  # noqa: PLC0415

    return commands()


def _command(name: str, opens: Callable[..., AbstractAsyncContextManager[object]]) -> Any:
    @wraps(opens)
    def serve(**options: Any) -> None:
        configure_logging()
        role = name.rpartition(":")[2]
        with observing(f"simulator-{role}", errors=False):
            run_lasting(run_simulator(role, opens(**options)))

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(serve)
    return typer.main.get_command(alone)


if __name__ == "__main__":
    app()
