"""Orders, for whoever asks: placed, cancelled, replaced, shown; and waited for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from perdure.core.claim import current_customer
from perdure.core.errors import InvalidInput, NotFound
from perdure.ledger.store import LedgerStore
from perdure.operations.lanes.calls import Hear, LaneCalls
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool, transaction
from perdure.storage.row_security import seen
from perdure.trades.book.commands import Cancel, ChangeInstrument, Command, Replace, SetHalted, Side
from perdure.trades.book.snapshot import Level
from perdure.trades.orders import instruments
from perdure.trades.orders.answers import LOOK_S, Answers
from perdure.trades.orders.instruments import Listed
from perdure.trades.orders.intake import Intake, NewRequest, Taken, TakenRequest
from perdure.trades.orders.model import (
    ANSWERED,
    CALLED,
    COLUMNS,
    ENDED,
    LISTED,
    RESERVING,
    Order,
)
from perdure.trades.orders.new_orders import (
    RESERVATION_TOO_SMALL,
    NewOrder,
    Once,
    check_figures,
    refusal_of,
)

ANSWERED_WITHIN_S: Final = 5.0
"""How long an answer is waited for; what is stored goes on without."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """What became of a request: why it was refused; None: it was not."""

    refusal: str | None


class Orders:
    """What the API asks."""

    def __init__(self, pool: Pool, ledger: LedgerStore[Connection]) -> None:
        self._pool = pool
        self._intake = Intake(pool, ledger)
        self._calls = LaneCalls(pool)
        self._read: GroupCommit[str, Order | None] = GroupCommit(self._find)
        self._orders = Answers(self._settled)
        self._answers = Answers(self._answered)

    # What is asked for.

    async def place(self, new: NewOrder) -> Taken:
        """Store an order, and have it go on; as `Intake.place`."""
        taken = await self._intake.place(new)
        if not taken.is_repeat:
            where = RESERVING if taken.order.status == "reserving" else new.asset
            await self._calls.call(CALLED, where)
        elif current_customer() is not None:
            await self.get(taken.order.id)  # the database shows it to whoever asks
        return taken

    async def cancel(self, order: Order, *, actor: str, reason: str, once: Once | None) -> str:
        """Ask for an order to be cancelled; returns the request's id.

        Raises:
            Conflict: `order_ended`.
            IdempotencyMismatch: As `Intake.ask`.
        """
        return await self._ask_of(order, Cancel(order.id), actor, reason, once)

    async def replace(
        self,
        order: Order,
        *,
        price_minor: int,
        quantity_lots: int,
        actor: str,
        once: Once | None,
    ) -> str:
        """Ask for an order to have another price and quantity; returns the request's id.

        Raises:
            InvalidInput: `invalid_price`, `invalid_quantity`; `reservation_too_small`.
            Conflict: `order_ended`.
            IdempotencyMismatch: As `Intake.ask`.
        """
        check_figures(price_minor, quantity_lots)
        if order.side == "sell" and quantity_lots > order.reserved_lots:
            raise refusal_of(RESERVATION_TOO_SMALL)
        command = Replace(order.id, price_minor, quantity_lots)
        return await self._ask_of(order, command, actor, None, once)

    async def _ask_of(
        self, order: Order, command: Command, actor: str, reason: str | None, once: Once | None
    ) -> str:
        is_known = once is not None and await self._pool.fetchval(
            "SELECT true FROM order_requests WHERE request_key = $1", once.key
        )
        if order.status in ENDED and not is_known:
            raise refusal_of("order_not_open")
        taken = await self._ask(
            NewRequest(
                asset=order.asset,
                order_id=order.id,
                command=command,
                actor=actor,
                reason=reason,
                once=once,
            )
        )
        return taken.id

    async def _ask(self, new: NewRequest) -> TakenRequest:
        taken = await self._intake.ask(new)
        if not taken.is_repeat:
            await self._calls.call(CALLED, new.asset)
        return taken

    # What becomes of it.

    async def settled(self, order: Order, hear: Hear) -> Order:
        """Return the order as soon as it is in its book, or ended; or as it stands after a while.

        Raises:
            PerdureError: It was rejected; by its code.
        """
        found = await self._orders.wait(order.id, order.asset, hear, ANSWERED_WITHIN_S)
        if found is None:
            return await self.get(order.id)
        if found.status == "rejected":
            raise refusal_of(found.reason or "")
        return found

    async def answered(self, request_id: str, asset: str, hear: Hear) -> bool:
        """Wait for what becomes of a request; False: nobody has answered it after a while.

        Raises:
            PerdureError: It was refused; by its code.
        """
        found = await self._answers.wait(request_id, asset, hear, ANSWERED_WITHIN_S)
        if found is not None and found.refusal is not None:
            raise refusal_of(found.refusal)
        return found is not None

    async def changes(self, order: Order, after: int, hear: Hear) -> AsyncIterator[Order]:
        """Yield the order as it stands whenever it has changed, until it has ended.

        Args:
            after: The version that is known.
        """
        with hear(ANSWERED, order.asset) as called:
            while True:
                called.clear()
                order = await self.get(order.id)
                if order.version > after:
                    after = order.version
                    yield order
                if order.status in ENDED:
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(called.wait(), LOOK_S)

    # What is there.

    async def get(self, order_id: str) -> Order:
        """Return an order.

        Raises:
            NotFound: `order_not_found`.
        """
        if current_customer() is None:
            found = await self._read.submit(order_id)
        else:  # each customer sees its own
            found = (await self._find([order_id]))[0]
        if found is None:
            raise NotFound(f"There is no order {order_id}.", code="order_not_found", param="id")
        return found

    async def find(
        self,
        *,
        customer_id: str | None = None,
        reference: str | None = None,
        asset: str | None = None,
        is_open: bool = False,
        starting_after: str | None = None,
        limit: int,
    ) -> list[Order]:
        """Return a page of orders, newest first.

        Raises:
            InvalidInput: `missing_field`: a reference is one customer's.
        """
        if reference is not None and customer_id is None:
            raise InvalidInput(
                "A reference is one customer's; say whose.",
                code="missing_field",
                param="customer_id",
            )
        asked = {
            "customer_id = ": customer_id,
            "reference = ": reference,
            "asset = ": asset,
            "id < ": starting_after,
        }
        given = [value for value in asked.values() if value is not None]
        names = [name for name, value in asked.items() if value is not None]
        conditions = [f"{name}${at}" for at, name in enumerate(names, start=1)]
        if is_open:
            conditions.append("status IN ('open', 'partly_filled')")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        async with seen(self._pool) as connection:
            rows = await connection.fetch(
                f"SELECT {COLUMNS} FROM orders {where} ORDER BY id DESC LIMIT {limit:d}", *given
            )
        return [Order(*row.values()) for row in rows]

    async def levels(self, asset: str, side: Side, limit: int) -> list[Level]:
        """Return what is open at each price, the best first."""
        rows = await self._pool.fetch(_BIDS if side == "buy" else _ASKS, asset, limit)
        return [Level(*row.values()) for row in rows]

    async def instrument(self, asset: str) -> Listed:
        """Return what an asset is traded by.

        Raises:
            NotFound: `asset_not_found`.
        """
        return await instruments.get_instrument(self._pool, asset)

    async def instruments(self) -> Sequence[Listed]:
        """Return all assets that are traded."""
        return await instruments.list_instruments(self._pool)

    # What the house decides.

    async def list_asset(
        self,
        asset: str,
        change: ChangeInstrument,
        *,
        currency: str,
        fee_basis_points: int,
        actor: str,
        reason: str,
    ) -> str:
        """Have an asset be traded, or by other rules; returns the request's id.

        Raises:
            InvalidInput: `invalid_instrument`, `invalid_fee`, `unknown_currency`.
            Conflict: `currency_fixed`.
        """
        instruments.check_change(change)
        async with transaction(self._pool) as connection:
            await instruments.list_asset(
                connection, asset, currency=currency, fee_basis_points=fee_basis_points
            )
        await self._calls.call(CALLED, LISTED)
        return await self._of_house(asset, change, actor, reason)

    async def set_halted(self, asset: str, *, is_halted: bool, actor: str, reason: str) -> str:
        """Halt trading in an asset, or have it go on; returns the request's id.

        Raises:
            NotFound: `asset_not_found`.
        """
        await self.instrument(asset)
        return await self._of_house(asset, SetHalted(is_halted), actor, reason)

    async def _of_house(self, asset: str, command: Command, actor: str, reason: str) -> str:
        taken = await self._ask(
            NewRequest(asset=asset, order_id=None, command=command, actor=actor, reason=reason)
        )
        return taken.id

    # Read by many at once.

    async def _find(self, order_ids: list[str]) -> list[Order | None]:
        async with seen(self._pool) as connection:
            rows = await connection.fetch(
                f"SELECT {COLUMNS} FROM orders WHERE id = ANY($1)", order_ids
            )
        found = {row["id"]: row for row in rows}
        return [Order(*found[one].values()) if one in found else None for one in order_ids]

    async def _settled(self, order_ids: list[str]) -> dict[str, Order]:
        rows = await self._pool.fetch(
            f"SELECT {COLUMNS} FROM orders"
            " WHERE id = ANY($1) AND status NOT IN ('reserving', 'entering')",
            order_ids,
        )
        return {row["id"]: Order(*row.values()) for row in rows}

    async def _answered(self, request_ids: list[str]) -> dict[str, _Answered]:
        rows = await self._pool.fetch(
            "SELECT id, refusal FROM order_requests WHERE id = ANY($1) AND is_answered",
            request_ids,
        )
        return {row["id"]: _Answered(row["refusal"]) for row in rows}


_LEVELS: Final = """
SELECT price_minor, sum(remaining_lots)::bigint, count(*)
FROM orders
WHERE asset = $1 AND side = '{side}' AND status IN ('open', 'partly_filled')
GROUP BY price_minor
ORDER BY price_minor {order}
LIMIT $2
"""
_BIDS: Final = _LEVELS.format(side="buy", order="DESC")
_ASKS: Final = _LEVELS.format(side="sell", order="ASC")
