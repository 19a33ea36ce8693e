"""What a peer is to the benchmark."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.load import Workplace
from bench.saga import Saga


@dataclass(frozen=True, slots=True)
class Site:
    """What a peer is given for one round.

    Args:
        folder: Empty; for whatever its servers keep.
        cache: Kept from round to round; for what was downloaded.
        database_url: A fresh, empty database on the shared PostgreSQL server.
        provider_url: The outside world, with empty books.
        workers: How many worker processes to run.
    """

    folder: Path
    cache: Path
    database_url: str
    provider_url: str
    workers: int


class PeerUnavailableError(Exception):
    """A peer cannot run here; the message says why."""


class Running(Workplace, Protocol):
    """A peer that was started."""

    @property
    def processes(self) -> Mapping[str, int]:
        """Its processes' ids, by what each is for; their children count with them."""
        ...

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Return in what its effects, and the provider's books, differ from what was asked."""
        ...


class Peer(Protocol):
    """Something a user could carry out the saga with."""

    @property
    def name(self) -> str:
        """As the results call it."""
        ...

    @property
    def durable_steps(self) -> int:
        """How many steps of one saga survive a crash by themselves."""
        ...

    @property
    def set_up(self) -> str:
        """How it is built and tuned, in a sentence or two."""
        ...

    def start(self, site: Site) -> AbstractAsyncContextManager[Running]:
        """Start it, with its accounts open, until the context ends.

        Raises:
            PeerUnavailableError: It is not installed here.
        """
        ...
