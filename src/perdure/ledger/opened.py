"""A ledger that a process has open, whatever its store."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from perdure.ledger.store import LedgerStore
from perdure.ledger.verify import BalancesElsewhere
from perdure.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class OpenedLedger:
    """A ledger, and what goes with its store.

    Args:
        balances: Shows its balances, where they are not in our database.
        chores: What the janitor has to look after.
    """

    store: LedgerStore[Connection]
    balances: BalancesElsewhere | None = None
    chores: Sequence[Callable[[], Awaitable[object]]] = ()
