"""What the asset service is asked for an order: to set the asset aside, and to let go of it.

The order's row is the intent, stored before the first call. A call that nobody knows the end of is
asked about by the order's id; where the service never saw it, the order is rejected, and the
service told to keep nothing under that id, whatever still arrives. What is to be let go is owed in
the row, as an absolute quantity with a version, and said again until it is confirmed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderError,
    ProviderOutcomeUnknown,
)
from perdure.core.telemetry import telemetry
from perdure.operations.agreement import Expected
from perdure.operations.lanes.calls import Hear, LaneCalls
from perdure.storage.group_commit import GroupCommit
from perdure.storage.outages import is_outage
from perdure.storage.pool import Connection, Pool
from perdure.trades.contracts import ASSETS, TradeInput
from perdure.trades.orders.model import ANSWERED, CALLED, COLUMNS, RESERVING, Order
from perdure.trades.process import BLOCK_ASSET, UNBLOCK_ASSET
from perdure.trades.services.assets import AssetService, Reservation

log = structlog.get_logger()

LOOK_AGAIN: Final = timedelta(seconds=30)
"""Longer than any call takes: who has taken an order to look after it has it for so long."""
SOON: Final = timedelta(seconds=1)
LOOK_S: Final = 0.5
"""How often it looks by itself, as behind a pooler."""
AT_ONCE_MAX: Final = 50

NOT_MADE: Final = "asset_not_reserved"
DISAGREES: Final = "provider_disagrees"


class AssetReservations:
    """Sets assets aside for sells, and lets go of them; any number of processes do so at once."""

    def __init__(self, pool: Pool, service: AssetService, hear: Hear) -> None:
        self._pool = pool
        self._service = service
        self._hear = hear
        self._calls = LaneCalls(pool)
        self._entered: GroupCommit[str, None] = GroupCommit(self._enter)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look after what is due, until told to stop."""
        with self._hear(CALLED, RESERVING) as called:
            while not stop.is_set():
                called.clear()
                try:
                    found = await self._take()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                    found = 0
                    _tell(error)
                if found and len(self._under_way) < AT_ONCE_MAX:
                    continue
                if len(self._under_way) >= AT_ONCE_MAX:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(called.wait(), LOOK_S)
        await self.settle()

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way)

    async def sweep(self) -> int:
        """Look once after what is due; returns how many orders that were."""
        found = await self._take()
        await self.settle()
        return found

    async def _take(self) -> int:
        rows = await self._pool.fetch(_DUE, LOOK_AGAIN, AT_ONCE_MAX - len(self._under_way))
        orders = [Order(*row.values()) for row in rows]
        for order in orders:
            task = asyncio.create_task(self._tried(order))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(orders)

    async def _tried(self, order: Order) -> None:
        try:
            with (
                telemetry().following(order.traceparent),
                telemetry().span("set_aside", {"kind": "order"}),
            ):
                await self._look_after(order)
        except Exception as error:  # noqa: BLE001 - it is looked after again
            log.warning("order_not_looked_after", order_id=order.id, error=repr(error))
            if not isinstance(error, PerdureError):
                _tell(error)

    async def _look_after(self, order: Order) -> None:
        if order.status != "reserving":
            await self._let_go(order)
        elif not order.is_asked:
            await self._reserve(order)
        elif (found := await self._service.find_reservation(order.id)) is not None:
            await self._go_on(order, found)
        else:
            await self._give_up(order, NOT_MADE)

    async def _reserve(self, order: Order) -> None:
        try:
            found = await self._service.reserve(
                reference=order.id,
                owner=order.account_id,
                asset=order.asset,
                quantity_lots=order.quantity_lots,
            )
            await self._go_on(order, found)
        except (ProviderDeclined, InvalidInput) as error:
            await self._refuse(order, error.code)
        except ProviderDisagrees:
            await self._give_up(order, DISAGREES)
        except ProviderError as error:
            is_asked = isinstance(error, ProviderOutcomeUnknown)
            log.warning("order_not_reserved", order_id=order.id, code=error.code, asked=is_asked)
            await self._put_off(order, error, is_asked=is_asked)

    async def _put_off(self, order: Order, error: ProviderError, *, is_asked: bool) -> None:
        await self._pool.execute(
            "UPDATE orders SET is_asked = $2, look_at = now() + $3::interval"
            " WHERE id = $1 AND status = $4",
            order.id,
            is_asked,
            timedelta(seconds=error.retry_after_s) if error.retry_after_s else SOON,
            order.status,
        )

    async def _let_go(self, order: Order) -> None:
        if order.kept_version > order.reduced_version:
            try:
                await self._reduce(order)
            except ProviderError as error:
                log.warning("order_not_reduced", order_id=order.id, code=error.code)
                await self._put_off(order, error, is_asked=order.is_asked)
                return
        await self._pool.execute(
            "UPDATE orders SET reduced_version = greatest(reduced_version, $2), updated_at = now(),"
            " look_at = CASE WHEN reserved_version + returned_lots > $2 THEN now() END"
            " WHERE id = $1",
            order.id,
            order.kept_version,
        )

    async def _reduce(self, order: Order) -> None:
        try:
            await self._service.reduce(
                reference=order.id, to_quantity_lots=order.kept_lots, version=order.kept_version
            )
        except ProviderOutcomeUnknown:
            # Said again, it would be as slow again.
            found = await self._service.find_reservation(order.id)
            if found is None or found.version < order.kept_version:
                raise

    async def _go_on(self, order: Order, found: Reservation) -> None:
        says = {
            "reference": order.id,
            "owner": order.account_id,
            "asset": order.asset,
            "quantity_lots": order.quantity_lots,
        }
        try:
            Expected(ASSETS, says).check(found)
        except ProviderDisagrees as error:
            log.error("reservation_differs", order_id=order.id, error=error.message)
            await self._give_up(order, DISAGREES)
            return
        await self._entered.submit(order.id)
        await self._calls.call(CALLED, order.asset)

    async def _enter(self, order_ids: list[str]) -> Sequence[None]:
        await self._pool.execute(
            "UPDATE orders SET status = 'entering', look_at = NULL, version = version + 1,"
            " updated_at = now() WHERE id = ANY($1) AND status = 'reserving'",
            order_ids,
        )
        return [None] * len(order_ids)

    async def _refuse(self, order: Order, code: str) -> None:
        """Reject an order that the service did nothing for: there is nothing to let go of."""
        await self._pool.execute(
            "UPDATE orders SET status = 'rejected', reason = $2, remaining_lots = 0,"
            " reserved_lots = 0, look_at = NULL, version = version + 1, updated_at = now()"
            " WHERE id = $1 AND status = 'reserving'",
            order.id,
            code,
        )
        await self._calls.call(ANSWERED, order.asset)

    async def _give_up(self, order: Order, code: str) -> None:
        """Reject an order, and owe the service that it keeps nothing for it."""
        await self._pool.execute(
            "UPDATE orders SET status = 'rejected', reason = $2, remaining_lots = 0,"
            " reserved_lots = 0, reserved_version = reserved_version + 1, look_at = now(),"
            " version = version + 1, updated_at = now() WHERE id = $1 AND status = 'reserving'",
            order.id,
            code,
        )
        await self._calls.call(ANSWERED, order.asset)


async def return_lots(connection: Connection, trade: TradeInput) -> None:
    """Owe the service that it keeps no more for a trade that comes to nothing, in the same commit.

    What was blocked for it was freed by itself.
    """
    await connection.execute(
        _RETURN, trade.request.sell_order_id, trade.request.quantity_lots, trade.operation_id
    )


def blocked(trade_id: str) -> str:
    """Return the SQL condition by which something was blocked for a trade, whoever had it so."""
    return f"""(
    EXISTS (SELECT FROM provider_calls WHERE operation_id = {trade_id}
        AND step = '{BLOCK_ASSET.row_name}' AND state = 'answered')
    OR EXISTS (SELECT FROM legacy_operations WHERE operation_id = {trade_id}
        AND (done->>'{BLOCK_ASSET.row_name}' IS NOT NULL
            OR done->>'{UNBLOCK_ASSET.row_name}' IS NOT NULL)))"""


_RETURN: Final = f"""
UPDATE orders SET returned_lots = returned_lots + $2, look_at = now(), updated_at = now()
WHERE id = $1 AND NOT {blocked("$3")}
"""


def _tell(error: Exception) -> None:
    log.warning("reservations_go_on", error=repr(error))
    if not is_outage(error):
        telemetry().report(error, "reservations")


# Asked it is from here on; what is told is whether it was before.
_DUE: Final = f"""
WITH due AS (
    SELECT id AS due_id, is_asked AS was_asked FROM orders
    WHERE look_at <= now() ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE orders SET look_at = now() + $1::interval, is_asked = true
FROM due WHERE id = due_id
RETURNING {COLUMNS.replace("is_asked", "was_asked")}
"""
