"""What a kind keeps of a customer beside the operations that are that customer's alone."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

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


class Traces(ABC):
    """Finds it, and takes out of it who the customer is."""

    async def left_open(self, connection: Connection, customer_id: str) -> list[str]:  # noqa: ARG002
        """Return the ids of what has to end before the customer can be erased."""
        return []

    async def waiting(self, connection: Connection, customer_id: str) -> list[str]:  # noqa: ARG002
        """Return the ids of workflows that begin at a moment, or wait; each ends soon after `WAKE`.

        One that has ended, or never was, may be among them.
        """
        return []

    async def shared(self, connection: Connection, customer_id: str) -> Sequence[Shared]:  # noqa: ARG002
        """Return the operations that are other customers' too; none is open."""
        return []

    async def names(self, connection: Connection, customer_id: str) -> set[str]:  # noqa: ARG002
        """Return the texts in tables of its own that tell who the customer is."""
        return set()

    @abstractmethod
    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:
        """Empty the tables of its own; done again, it changes nothing."""
