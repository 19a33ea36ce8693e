"""The one who writes an asset's book: all that came in together, in one commit.

A batch is applied to the book in memory, and stored with what follows from it: the journal, the
orders, what they have on hold, the trades. If that fails, or nobody knows, the book is thrown away
and made again from the rows.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from perdure.core.errors import PerdureError
from perdure.core.ids import TRANSFER, derived_id
from perdure.ledger.model import AccountStatus, NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.operations.model import Operation
from perdure.storage.pool import Connection, Pool, transaction
from perdure.trades.acceptance import HoldMany, TradeAcceptance
from perdure.trades.book.book import Book
from perdure.trades.book.commands import CancelAll, Command, Expire, Replace
from perdure.trades.book.journal import JournalEntry, record
from perdure.trades.contracts import TradeRequest
from perdure.trades.orders import store
from perdure.trades.orders.bookkeeping import Batch
from perdure.trades.orders.model import Order, new_hold, now_ms
from perdure.trades.orders.new_orders import RESERVATION_TOO_SMALL
from perdure.trades.orders.store import Request

log = structlog.get_logger()

ACCOUNT_NOT_OPEN: Final = "account_not_open"


class _AccountsNotOpen(Exception):
    """Accounts take nothing new: what is open of them has to go first."""

    def __init__(self, account_ids: frozenset[str]) -> None:
        super().__init__(f"Not open: {', '.join(sorted(account_ids))}.")
        self.account_ids = account_ids


class AssetWriter:
    """Writes one asset's book, as long as no other does.

    Args:
        name: Who it is, in the asset's row.
        lanes_of: Says which lane carries out each of the trades of a batch.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: LedgerStore[Connection],
        acceptance: TradeAcceptance,
        lanes_of: Callable[[Sequence[TradeRequest]], list[int | None]],
        *,
        asset: str,
        name: str,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._acceptance = acceptance
        self._lanes_of = lanes_of
        self._asset = asset
        self._name = name
        self._book: Book | None = None
        self._orders: dict[str, Order] = {}
        self._not_open: frozenset[str] = frozenset()

    @property
    def next_expiry_ms(self) -> int | None:
        """When the next order is to expire; None: none is known to."""
        return self._book.next_expiry_ms() if self._book else None

    async def write(self) -> list[Operation] | None:
        """Apply what came in, in one commit; returns the trades to begin.

        None: nothing was to be done, or another writes the book.
        """
        if self._book is None:
            if not await store.take(self._pool, self._asset, self._name):
                return None
            self._book, self._orders = await store.read_book(self._pool, self._asset)
        waiting = await store.read_waiting(self._pool, self._asset)
        expiry_ms, at_ms = self._book.next_expiry_ms(), now_ms()
        is_due = expiry_ms is not None and expiry_ms <= at_ms
        if not (waiting or is_due or self._not_open):
            return None
        book, self._book = self._book, None  # until it is stored
        try:
            trades = await self._write(book, waiting, at_ms, is_due=is_due)
        except _AccountsNotOpen as found:
            log.warning("orders_of_accounts_not_open", accounts=sorted(found.account_ids))
            self._not_open |= found.account_ids
            return []
        self._book, self._not_open = book, frozenset()
        return trades

    async def keep(self) -> bool:
        """Say that it lives; False: another writes the book."""
        if self._book is not None and not await store.take(self._pool, self._asset, self._name):
            self._book = None
        return self._book is not None

    async def _write(
        self, book: Book, waiting: Sequence[Order | Request], at_ms: int, *, is_due: bool
    ) -> list[Operation]:
        before, orders = book.sequence, self._orders
        applied = _Applied(book, Batch(orders))
        async with transaction(self._pool) as connection:
            for account_id in sorted(self._not_open):
                applied.apply(CancelAll(account_id))
            if is_due:
                applied.apply(Expire(at_ms))
            for place, one in enumerate(waiting):
                if isinstance(one, Order):
                    orders[one.id] = one
                    self._place(applied, one, at_ms)
                elif not await self._answer(connection, applied, one, is_first=not place):
                    break
            await store.fence(connection, self._asset, self._name, book, before)
            trades = await self._store(connection, applied)
        for order in applied.batch.touched.values():
            if not order.is_open:
                del orders[order.id]
        return trades

    def _place(self, applied: "_Applied", order: Order, at_ms: int) -> None:
        code: str | None = ACCOUNT_NOT_OPEN
        if order.account_id not in self._not_open:
            code = applied.apply(order.placed(at_ms))
        if code is not None:
            applied.batch.reject(order, code)

    async def _answer(
        self, connection: Connection, applied: "_Applied", request: Request, *, is_first: bool
    ) -> bool:
        """Apply a request; False: not with those before it, whose money is not moved yet."""
        if _wants_more_than_is_reserved(request, applied.batch.orders):
            applied.answers.append((request.id, None, RESERVATION_TOO_SMALL))
            return True
        missing = _missing(request, applied.batch.orders)
        if missing is not None:
            if not is_first:
                return False
            try:
                await self._ledger.hold(connection, missing)
            except PerdureError as error:
                applied.answers.append((request.id, None, error.code))
                return True
            applied.extra.append(missing.id)
        refusal = applied.apply(request.command)
        applied.answers.append((request.id, applied.book.sequence, refusal))
        return True

    async def _store(self, connection: Connection, applied: "_Applied") -> list[Operation]:
        await store.write_journal(connection, self._asset, applied.entries)
        touched = list(applied.batch.touched.values())
        for order in touched:
            order.version += 1
            if order.side == "sell" and order.needed_lots < order.reserved_lots:
                order.reserved_lots = order.needed_lots
                order.reserved_version += 1
        released, holds = _moved_holds(touched)
        released += applied.extra
        if applied.answers:
            await store.answer_requests(connection, applied.answers)

        async def hold_with_orders(of_trades: Sequence[NewTransfer]) -> frozenset[str]:
            return await self._move(connection, released, [*holds, *of_trades])

        accepted = await self._accept(connection, applied.batch, hold_with_orders)
        if touched:
            await store.write_orders(connection, touched)
        return accepted

    async def _accept(
        self, connection: Connection, batch: Batch, hold_many: HoldMany
    ) -> list[Operation]:
        trades = batch.trades
        if not trades:
            await hold_many([])
            return []
        # A seller is paid when all is delivered, and nothing goes back any more; a buyer's account
        # says itself that it takes no hold.
        await self._check_open(connection, {trade.seller_account_id for trade in trades})
        return await self._acceptance.accept_trades(
            connection,
            trades,
            lanes=self._lanes_of(trades),
            traceparents=batch.traceparents,
            hold_many=hold_many,
        )

    async def _move(
        self, connection: Connection, released: Sequence[str], holds: Sequence[NewTransfer]
    ) -> frozenset[str]:
        """Release what orders held, and hold what they and their trades hold from here on.

        Locked at once, in the ledger's order, so that writers of several assets do not wait for
        each other in a circle.
        """
        if not (released or holds):
            return frozenset()
        await self._ledger.lock_for(connection, released, holds)
        voids = [(hold_id, derived_id(TRANSFER, hold_id, "release")) for hold_id in released]
        if await self._ledger.void_holds(connection, voids) != set(released):
            raise AssertionError(f"a hold of {released} is not there to be released")
        held = await self._ledger.hold_many(connection, holds)
        if held != {hold.id for hold in holds}:
            await self._check_open(connection, {hold.debit_account_id for hold in holds})
            raise AssertionError(f"what was released cannot be held anew: {holds}")
        return held

    async def _check_open(self, connection: Connection, account_ids: Collection[str]) -> None:
        """Raise if some of these accounts are not open."""
        found = await self._ledger.accounts_with_balances(connection, account_ids)
        not_open = {
            account.id for account, _ in found.values() if account.status != AccountStatus.OPEN
        }
        if not_open:
            raise _AccountsNotOpen(frozenset(not_open))


@dataclass(slots=True)
class _Applied:
    """A batch as it grows.

    Args:
        answers: Each request's id, its number in the journal, and why it was refused.
        extra: What was held before an order was made to cost more.
    """

    book: Book
    batch: Batch
    entries: list[JournalEntry] = field(default_factory=list)
    answers: list[tuple[str, int | None, str | None]] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    def apply(self, command: Command) -> str | None:
        """Apply a command to book and orders; returns the code of a refusal."""
        entry, events = record(self.book, command)
        self.entries.append(entry)
        return self.batch.apply(events)


def _moved_holds(touched: Sequence[Order]) -> tuple[list[str], list[NewTransfer]]:
    """Have each buy hold what it may still cost; returns what that releases, and holds anew."""
    released, holds = [], []
    for order in touched:
        if order.side == "sell" or order.hold_minor == order.cost_minor:
            continue
        if order.hold_id is not None:
            released.append(order.hold_id)
        order.hold_minor, order.hold_id = order.cost_minor, None
        if order.hold_minor:
            hold = new_hold(order, f"hold {order.version}", order.hold_minor)
            order.hold_id = hold.id
            holds.append(hold)
    return released, holds


def _wants_more_than_is_reserved(request: Request, orders: Mapping[str, Order]) -> bool:
    """Whether a sell is to be of more than the asset service keeps for it.

    Known here alone: an order may have been made smaller since whoever asks looked at it.
    """
    command = request.command
    if not isinstance(command, Replace):
        return False
    order = orders.get(command.order_id)
    return (
        order is not None and order.side == "sell" and command.quantity_lots > order.reserved_lots
    )


def _missing(request: Request, orders: Mapping[str, Order]) -> NewTransfer | None:
    """Return what has to be held before a buy may cost more; None: nothing."""
    command = request.command
    if not isinstance(command, Replace):
        return None
    order = orders.get(command.order_id)
    if order is None or order.side == "sell" or not order.is_open:
        return None
    lots = max(command.quantity_lots - order.filled_lots, 0)
    missing_minor = order.cost_of(command.price_minor, lots) - order.hold_minor
    return new_hold(order, request.id, missing_minor) if missing_minor > 0 else None
