"""A trade's steps at the asset service: blocked, delivered, or free again."""

from collections.abc import Mapping
from typing import Any, Final

from perdure.capability.provider_effect import ProviderEffect, made_once
from perdure.core.effects import EffectStatuses
from perdure.core.script import Bodies
from perdure.operations.agreement import Expected
from perdure.operations.first_tries import FirstTries
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.trades.contracts import ASSETS, Blocked, Delivery, TradeInput
from perdure.trades.process import BLOCK_ASSET, DELIVER_ASSET, FIND_DELIVERY, UNBLOCK_ASSET
from perdure.trades.services.assets import AssetService, BlockedAsset

BLOCK_STATUSES: Final = EffectStatuses(stands="blocked", undone="unblocked")
"""Of a block, before it is delivered: who is told there that it was, or that it is when it is to be
free again, has a person look."""

DELIVERED: Final = "delivered"


class AssetCalls:
    """Has the asset service do its part.

    Args:
        first_tries: Watches how quick it is.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        assets: AssetService,
        *,
        first_tries: FirstTries,
        timeout_s: float,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._assets = assets
        self._first_tries = first_tries
        self._timeout_s = timeout_s

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps."""
        blocks = block_at(self._assets).bodies(
            self._calls, self._steps, first_tries=self._first_tries, timeout_s=self._timeout_s
        )
        deliveries = made_once(self._calls, DELIVER_ASSET, self._delivery)
        return {**blocks, **deliveries, FIND_DELIVERY: self.find_delivery}

    def _delivery(self, trade: TradeInput) -> ProviderCall[BlockedAsset, Blocked]:
        reference, recipient = trade.operation_id, trade.request.buyer_account_id

        async def deliver() -> BlockedAsset:
            with self._first_tries.under_way():
                return await self._assets.deliver(reference=reference, recipient=recipient)

        async def find() -> BlockedAsset | None:
            found = await self._assets.find_block(reference)
            return found if found is not None and found.status == DELIVERED else None

        return ProviderCall(
            operation_id=reference,
            step=DELIVER_ASSET.row_name,
            provider=ASSETS,
            reference=reference,
            returns=Blocked,
            timeout_s=self._timeout_s,
            create=deliver,
            find=find,
            expects=Expected(ASSETS, delivery_says(trade), {"status": frozenset({DELIVERED})}),
            outcome=_kept,
            repeatable=True,
        )

    async def find_delivery(self, trade: TradeInput) -> Delivery:
        """Find out whether it was delivered, once nothing delivers it any more.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again later.
            ProviderDisagrees: It was delivered otherwise than it was asked.
        """
        if not await self._steps.begin_reversal(trade.operation_id):
            return Delivery()
        call = self._delivery(trade)
        done = await self._calls.left_behind(call)
        if done is None:
            return Delivery()
        assert call.expects is not None
        call.expects.check(done)
        return Delivery(_kept(done))


def block_at(assets: AssetService) -> ProviderEffect[TradeInput, BlockedAsset, Blocked]:
    """Return how an asset service is asked to block a trade's part, and to give it up."""

    async def block(trade: TradeInput) -> BlockedAsset:
        request = trade.request
        return await assets.block(
            reference=trade.operation_id,
            reservation=request.sell_order_id,
            quantity_lots=request.quantity_lots,
        )

    return ProviderEffect(
        provider=ASSETS,
        step=BLOCK_ASSET,
        undo=UNBLOCK_ASSET,
        ask=block,
        find=assets.find_block,
        take_back=assets.unblock,
        statuses=BLOCK_STATUSES,
        outcome=_kept,
        says=block_says,
    )


def delivery_says(trade: TradeInput) -> Mapping[str, Any]:
    """Return what an answer has to say of a trade that is delivered."""
    recipient = trade.request.buyer_account_id
    return {"reference": trade.operation_id, **block_says(trade), "recipient": recipient}


def block_says(trade: TradeInput) -> Mapping[str, Any]:
    """Return what an answer has to say of a trade's block."""
    request = trade.request
    return {
        "reservation": request.sell_order_id,
        "owner": request.seller_account_id,
        "asset": request.asset,
        "quantity_lots": request.quantity_lots,
    }


def _kept(block: BlockedAsset) -> Blocked:
    return Blocked(block.id, block.status)
