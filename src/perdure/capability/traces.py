"""What a kind keeps of a customer beside the operations that are that customer's alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.capability.words import Words
from perdure.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class Shared:
    """An operation of several customers.

    Args:
        fields: Those of its request that are this customer's.
        audiences: As whom this one is told of it.
    """

    operation_id: str
    fields: tuple[str, ...]
    audiences: tuple[str, ...]


class Traces(Protocol):
    """Finds it, and takes out of it who the customer is."""

    async def left_open(self, connection: Connection, customer_id: str) -> list[str]:
        """Return the ids of what has to end before the customer can be erased."""
        ...

    async def shared(self, connection: Connection, customer_id: str) -> Sequence[Shared]:
        """Return the operations that are other customers' too; none is open."""
        ...

    async def names(self, connection: Connection, customer_id: str) -> set[str]:
        """Return the texts in tables of its own that tell who the customer is."""
        ...

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:
        """Empty the tables of its own; done again, it changes nothing."""
        ...
