"""Which outside systems are simulated on this machine, as the installed kinds' roles declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perdure.config import Settings
from perdure.core.identity import Identity
from perdure.core.settings import name_of
from perdure.outside import uses
from perdure.providers.choice import Role
from perdure.providers.simulator import Listener, Simulator, url_at


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that runs here, and answers over HTTP.

    Args:
        tld: Of which domains; empty: of none.
        identity: Who it says that it is.
        asked_at: Where our own client asks it, which need not be over HTTP.
    """

    role: Role[Any]
    tld: str
    identity: Identity
    url: str
    asked_at: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """An outside system that is simulated here.

    Args:
        listens: At what: where something that is called is to answer.
    """

    role: Role[Any]
    simulator: Simulator
    listens: tuple[Listener, ...]

    def settings(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the variables by which it is found, where it listens at these ports."""
        told = self._told(ports)
        return {name_of(self.role.prefix, field): value for field, value in told.items()}

    def _told(self, ports: Mapping[str, int]) -> Mapping[str, str]:
        return self.simulator.settings({one.port: ports[one.port] for one in self.listens})

    def argv(self, ports: Mapping[str, int]) -> tuple[str, ...]:
        """Return its command and options."""
        words = [self.simulator.commands[self.simulator.name]]
        for one in self.simulator.listens:
            if one in self.listens:
                words += (one.option, str(ports[one.port]))
            else:
                words += one.left_out
        return tuple(words)

    def running(self, ports: Mapping[str, int], books: str) -> list[Running]:
        """Return who answers at these ports.

        Args:
            books: Which books they keep, if they do.
        """
        kept = books if self.simulator.keeps_books else ""
        told = self._told(ports)
        return [
            Running(
                self.role,
                one.tld,
                Identity(self.role.simulated_as(one.tld), kept),
                url := url_at(ports[one.port]),
                told.get("url", url),
            )
            for one in self.listens
            if one.is_http
        ]


def roles(settings: Settings) -> list[Role[Any]]:
    """Return what the outside systems do for us, those first whose simulators listen first."""
    found = {use.role.name: use.role for use in uses(settings)}
    return sorted(found.values(), key=_first_port)


def _first_port(role: Role[Any]) -> int:
    return role.simulator.listens[0].default if role.simulator else 0


def simulated(settings: Settings, given: Mapping[str, str]) -> list[Simulated]:
    """Return what is simulated here: what our own client serves that is told nothing.

    Args:
        given: The environment.
    """
    open_ones = {
        (use.role.name, use.tld)
        for use in uses(settings)
        if use.is_default and not given.get(use.located_by)
    }
    found = []
    for role in roles(settings):
        if role.simulator is not None:
            listens = tuple(
                one for one in role.simulator.listens if (role.name, one.tld) in open_ones
            )
            found += [Simulated(role, role.simulator, listens)] if listens else []
    return found


def default_ports(settings: Settings) -> dict[str, int]:
    """Return the ports of all simulators that there are, in their order."""
    return {
        one.port: one.default
        for role in roles(settings)
        if role.simulator
        for one in role.simulator.listens
    }


def commands() -> dict[str, str]:
    """Return where the commands of `perdure simulate` are, by their names."""
    return {
        name: place
        for role in roles(Settings.load())
        if role.simulator
        for name, place in role.simulator.commands.items()
    }
