"""What the asset service is asked for an order: to set the asset aside, and to let go of it.

The order's row is the intent, stored before the first call. A call that nobody knows the end of is
asked about by the order's id; where the service never saw it, the order is rejected, and the
service told to keep nothing under that id, whatever still arrives. What is to be let go is owed in
the row, as an absolute quantity with a version, and said again until it is confirmed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from perdure.core.errors import (
    InvalidInput,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderError,
    ProviderOutcomeUnknown,
)
from perdure.operations.lanes.calls import LaneCalls
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Pool
from perdure.trades.orders.model import COLUMNS, Order
from perdure.trades.services.assets import AssetService, Reservation

log = structlog.get_logger()

CALLED: Final = "orders"
"""What the writer of an asset is called as; see `LaneCalls`."""
LOOK_AGAIN: Final = timedelta(seconds=30)
"""Longer than any call takes: who has taken an order to look after it has it for so long."""
SOON: Final = timedelta(seconds=1)
_AT_ONCE: Final = 50

NOT_MADE: Final = "asset_not_reserved"
DISAGREES: Final = "provider_disagrees"


class AssetReservations:
    """Sets assets aside for sells, and lets go of them.

    Args:
        service: Returns the asset service; it is made when it is first needed.
    """

    def __init__(self, pool: Pool, service: Callable[[], Awaitable[AssetService]]) -> None:
        self._pool = pool
        self._service = service
        self._calls = LaneCalls(pool)
        self._entered: GroupCommit[str, None] = GroupCommit(self._enter)

    async def reserve(self, order: Order) -> None:
        """Have an order enter its book, if the asset can be set aside; or say why not.

        Where that is not known, it is looked after by `sweep`.
        """
        try:
            service = await self._service()
            found = await service.reserve(
                reference=order.id,
                owner=order.account_id,
                asset=order.asset,
                quantity_lots=order.quantity_lots,
            )
            await self._go_on(order, found)
        except (ProviderDeclined, InvalidInput) as error:
            # The service did nothing, and there is nothing to let go of.
            await self._pool.execute(
                "UPDATE orders SET status = 'rejected', reason = $2, remaining_lots = 0,"
                " reserved_lots = 0, look_at = NULL, version = version + 1, updated_at = now()"
                " WHERE id = $1 AND status = 'reserving'",
                order.id,
                error.code,
            )
            await self._calls.call(CALLED, f"{order.asset} written")
        except ProviderDisagrees:
            await self._give_up(order, DISAGREES)
        except ProviderError as error:
            is_asked = isinstance(error, ProviderOutcomeUnknown)
            log.warning("order_not_reserved", order_id=order.id, code=error.code, asked=is_asked)
            await self._pool.execute(
                "UPDATE orders SET is_asked = $2, look_at = now() + $3::interval"
                " WHERE id = $1 AND status = 'reserving'",
                order.id,
                is_asked,
                timedelta(seconds=error.retry_after_s) if error.retry_after_s else SOON,
            )

    async def sweep(self) -> int:
        """Look after what is due; returns how many orders that were."""
        rows = await self._pool.fetch(_DUE, LOOK_AGAIN, _AT_ONCE)
        orders = [Order(*row.values()) for row in rows]
        outcomes = await asyncio.gather(*map(self._look_after, orders), return_exceptions=True)
        for order, outcome in zip(orders, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                # It is looked after again; what is amiss stays in the row for `doctor`.
                log.warning("order_not_looked_after", order_id=order.id, error=repr(outcome))
        return len(orders)

    async def _look_after(self, order: Order) -> None:
        service = await self._service()
        if order.status != "reserving":
            await self._let_go(service, order)
        elif not order.is_asked:
            await self._pool.execute("UPDATE orders SET is_asked = true WHERE id = $1", order.id)
            await self.reserve(order)
        elif (found := await service.find_reservation(order.id)) is not None:
            await self._go_on(order, found)
        else:
            await self._give_up(order, NOT_MADE)

    async def _let_go(self, service: AssetService, order: Order) -> None:
        if order.reserved_version > order.reduced_version:
            await service.reduce(
                reference=order.id,
                to_quantity_lots=order.reserved_lots,
                version=order.reserved_version,
            )
        await self._pool.execute(
            "UPDATE orders SET reduced_version = greatest(reduced_version, $2),"
            " look_at = CASE WHEN reserved_version > $2 THEN now() END WHERE id = $1",
            order.id,
            order.reserved_version,
        )

    async def _go_on(self, order: Order, found: Reservation) -> None:
        asked = (order.id, order.account_id, order.asset, order.quantity_lots)
        if (found.reference, found.owner, found.asset, found.quantity_lots) != asked:
            log.error("reservation_differs", order_id=order.id)
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

    async def _give_up(self, order: Order, code: str) -> None:
        """Reject an order, and owe the service that it keeps nothing for it."""
        await self._pool.execute(
            "UPDATE orders SET status = 'rejected', reason = $2, remaining_lots = 0,"
            " reserved_lots = 0, reserved_version = reserved_version + 1, look_at = now(),"
            " version = version + 1, updated_at = now() WHERE id = $1 AND status = 'reserving'",
            order.id,
            code,
        )
        await self._calls.call(CALLED, f"{order.asset} written")


_DUE: Final = f"""
UPDATE orders SET look_at = now() + $1::interval
WHERE id = ANY(ARRAY(
    SELECT id FROM orders WHERE look_at <= now() ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING {COLUMNS}
"""
