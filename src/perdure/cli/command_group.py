"""Groups whose commands are imported when they are called, so that none pays for another.

A worker that comes back after a crash is there a second earlier for it.
"""

from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from perdure.capabilities import attribute, installed, load, places
from perdure.capability.declaration import Capability, Place


@dataclass(frozen=True, slots=True)
class Listed:
    """A command, or a group, as a list of commands shows it.

    Args:
        place: Where it is.
        help: What it is for, in a line.
    """

    place: Place
    help: str


OPERATIONS: Final = "Operations and their money"
"""Here are the kinds too, before all else."""

COMMANDS: Final[Mapping[str, Mapping[str, Listed]]] = {
    OPERATIONS: {
        "operations": Listed("perdure.cli.operations:app", "Operations of any kind."),
        "bulk": Listed(
            "perdure.cli.bulk:app",
            "One action on many operations: paced, paused, stopped and undone as one.",
        ),
        "customers": Listed("perdure.cli.customers:app", "Customers' profiles."),
        "ledger": Listed("perdure.cli.ledger:app", "Accounts and their money."),
        "legacy": Listed(
            "perdure.legacy.commands:app",
            "The system that Perdure replaces: what it still holds, and moving it here.",
        ),
    },
    "Whether all is well, and who may do what": {
        "doctor": Listed(
            "perdure.cli.doctor:doctor",
            "Look at Temporal, the database, the providers and the work; ends with 1 if one fails.",
        ),
        "verify": Listed(
            "perdure.cli.verify:verify",
            "Check that nothing was lost, doubled or left over; ends with 1 if something was.",
        ),
        "lanes": Listed(
            "perdure.cli.lanes:lanes",
            "List the lanes in which something is left to do, and who has the interactive ones.",
        ),
        "limits": Listed("perdure.cli.limits:app", "How often each provider is called."),
        "schedules": Listed(
            "perdure.cli.schedules:app", "What recurs, kept as the settings declare it."
        ),
        "flags": Listed(
            "perdure.cli.flags:app",
            "Flags: which engine takes new operations. A change holds everywhere within two"
            " seconds.",
        ),
        "keys": Listed("perdure.cli.keys:app", "API keys."),
        "payload-keys": Listed(
            "perdure.cli.payload_keys:app", "The keys that encrypt what Temporal keeps."
        ),
    },
    "Running it": {
        "up": Listed("perdure.cli.up:up", "Run the whole platform on this machine, until Ctrl-C."),
        "migrate": Listed(
            "perdure.cli.migrate:migrate",
            "Bring the database to this version's tables; harmless to repeat.",
        ),
        "archive": Listed(
            "perdure.cli.archive:app",
            "What is known of operations that ended long ago, month by month.",
        ),
        "api": Listed("perdure.cli.api:api", "Serve the API until SIGTERM or Ctrl-C."),
        "codec-server": Listed(
            "perdure.cli.codec_server:codec_server",
            "Decode payloads for Temporal's UI and command line until SIGTERM or Ctrl-C.",
        ),
        "worker": Listed(
            "perdure.cli.worker:worker",
            "Run a worker until SIGTERM or Ctrl-C, then finish what it holds.",
        ),
    },
    "Rolling it out": {
        "deployments": Listed(
            "perdure.cli.deployments:app",
            "The builds of the workers: which is given work, and what still runs on the others.",
        ),
        "replay": Listed(
            "perdure.cli.replay:replay",
            "Replay a sample of what is at Temporal with this code; ends with 1 if it cannot go"
            " on.",
        ),
    },
    "Adding to it": {
        "new": Listed("perdure.cli.new:app", "Begin a package of your own."),
    },
    "Trying it": {
        "demo": Listed(
            "perdure.cli.demo:app",
            "Run everything, have something go wrong in it, and check the end.",
        ),
        "simulate": Listed(
            "perdure.cli.simulate:app", "Outside systems as servers, with faults on demand."
        ),
        "chaos": Listed(
            "perdure.cli.chaos:chaos",
            "Make operations of every kind while processes are killed, and check every book.",
        ),
        "soak": Listed(
            "perdure.cli.soak:soak",
            "Offer a steady load while providers fail, and check that nothing grows or gets lost.",
        ),
    },
}
"""Where each command is, by what they are for, in the order in which `perdure --help` shows them.

Beside them are the kinds, as they declare themselves.
"""

_PANELS: Final = {
    name: (panel, listed)
    for panel, commands in COMMANDS.items()
    for name, listed in commands.items()
}


class CommandGroup(TyperGroup):
    """The group of all commands; takes what `TyperGroup` takes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _AllCommands()
        self._is_listed = False

    def format_help(self, context: Any, formatter: Any) -> None:
        """List the commands, without importing them."""
        self._is_listed = True
        super().format_help(context, formatter)

    def list_commands(self, context: Any) -> list[str]:  # noqa: ARG002 - as its class has it
        """Return the commands' names, without importing them."""
        return list(self.commands)

    def get_command(self, context: Any, name: str) -> Any:
        """Return a command; to be listed, no more of it than its line."""
        if self._is_listed and name in _PANELS:
            panel, listed = _PANELS[name]
            return TyperCommand(name=name, help=listed.help, rich_help_panel=panel)
        return super().get_command(context, name)


class _Commands(UserDict[str, Any]):
    """Commands by name; what makes one is replaced by it when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, partial):
            found = self[name] = found()
        return found


class _AllCommands(_Commands):
    """The kinds', those beside them in the table, and the groups that kinds have besides."""

    def __init__(self) -> None:
        self._has_groups = False
        super().__init__({plural: partial(_of_kind, plural) for plural in places()})
        self.data |= {name: partial(_imported, name, *there) for name, there in _PANELS.items()}

    def __contains__(self, name: object) -> bool:
        return name in self.data or name in self._with_groups()

    def __getitem__(self, name: str) -> Any:
        if name not in self.data:
            self._with_groups()
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._with_groups())

    def _with_groups(self) -> dict[str, Any]:
        # Known by the declarations of all kinds, which a command of one has no need of.
        if not self._has_groups:
            self._has_groups = True
            made = {name: self.data.pop(name) for name in places()}
            kinds = installed().values()
            groups = {
                name: partial(_imported, name, OPERATIONS, Listed(place, ""))
                for kind in kinds
                for name, place in kind.groups.items()
            }
            created = {kind.plural: made[kind.plural] for kind in kinds if kind.is_created}
            self.data = created | groups | self.data
        return self.data


def _of_kind(plural: str) -> Any:
    """Return the group of a kind's commands; None: it has none.

    One that the command line does not create may have a group of its own by this name.
    """
    kind: Capability = load(plural)
    if not kind.is_created:
        own = kind.groups.get(plural)
        return own and _imported(plural, OPERATIONS, Listed(own, kind.help))
    from perdure.cli.kind_app import kind_app  # noqa: PLC0415 - the house's commands do without

    group = _in_group(plural, kind_app(kind), OPERATIONS, kind.help)
    more = {
        name: partial(_imported, name, None, Listed(place, ""))
        for name, place in kind.commands.items()
    }
    group.commands = _Commands({**group.commands, **more})
    return group


def _imported(name: str, panel: str | None, listed: Listed) -> Any:
    return _in_group(name, attribute(listed.place), panel, listed.help)


def _in_group(
    name: str, found: typer.Typer | Callable[..., None], panel: str | None, said: str
) -> Any:
    """Return a command as a group of commands has it."""
    parent = typer.Typer(add_completion=False)
    parent.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name, rich_help_panel=panel, help=said or found.info.help)
    else:
        parent.command(name, rich_help_panel=panel)(found)
    group = typer.main.get_command(parent)
    assert isinstance(group, TyperGroup), "it has a callback"
    return group.commands[name]
