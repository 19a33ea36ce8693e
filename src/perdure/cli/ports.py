"""The ports of `perdure up`: chosen, checked together, and held while it runs."""

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Annotated, Final, Self

import typer

from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, HeldPort, hold_port, why_not

API: Final = "api_port"
TEMPORAL: Final = {"temporal_port": 7233, "temporal_ui_port": 8233}
OWN: Final = {API: 8080, **TEMPORAL}
"""The parts that always are, and the ports they have where nothing is set; simulators are beside
them."""
_PORT_MAX: Final = 65_535

PortBase = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65_500,
        help="Have the parts listen at this port and the ones after it: the API first, then"
        " Temporal. Ports that settings name stay.",
    ),
]


def choose_ports(defaults: Mapping[str, int], base: int | None = None) -> dict[str, int]:
    """Return where each part listens: as `PERDURE_<NAME>` says; 0: any port that is free.

    Args:
        defaults: The parts' usual ports.
        base: The first of them, where a setting of its own does not say otherwise.

    Raises:
        ConfigurationError: One is no port.
    """
    if base is not None:
        defaults = {name: base + place for place, name in enumerate(defaults)}
    return {
        name: _port(name, text) if (text := os.environ.get(setting_of(name))) else usual
        for name, usual in defaults.items()
    }


def _port(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= _PORT_MAX:
        return int(text)
    raise ConfigurationError(
        f"{setting_of(name)} is not a port; give one from 0 (any that is free) to {_PORT_MAX}.",
        param=setting_of(name),
    )


class HeldPorts(Mapping[str, int]):
    """The ports of what runs here, held until the end of `with`.

    Args:
        ports: As they were given.
        api_host: Where the API listens; all others are for this machine only.

    Raises:
        ConfigurationError: Some are taken; the message names all of them, and their settings.
    """

    def __init__(self, ports: Mapping[str, int], *, api_host: str) -> None:
        self._held: dict[str, HeldPort] = {}
        problems = []
        for name, port in ports.items():
            host = api_host if name == API else LOOPBACK
            if why := self._hold(name, host, port):
                problems.append(f"{port} of {host} ({setting_of(name)}): {why}")
        if problems:
            self.close()
            raise _not_to_be_had(problems)

    def __getitem__(self, name: str) -> int:
        return self._held[name].number

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def api(self) -> HeldPort:
        """The API's, whose socket is handed on to it."""
        return self._held[API]

    def close(self) -> None:
        """Let go of all of them."""
        for held in self._held.values():
            held.close()

    def _hold(self, name: str, host: str, port: int) -> str | None:
        """Hold a port, or return why it cannot be."""
        if port and port in (held.number for held in self._held.values()):
            return "given twice"
        try:
            self._held[name] = hold_port(host, port, handed_on=name == API)
        except OSError as error:
            return why_not(error)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def setting_of(name: str) -> str:
    """Return what the setting of a port is called."""
    return f"PERDURE_{name.upper()}"


def _not_to_be_had(problems: list[str]) -> ConfigurationError:
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return ConfigurationError(
        f"Nothing was started: there are ports that cannot be used:{listed}\nEnd what listens"
        " there, give each setting another port (0: any that is free), or move all of them with"
        " `--port-base`.",
        param="ports",
    )
