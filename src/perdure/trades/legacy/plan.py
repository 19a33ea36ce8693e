"""What Perdure would have done of a trade that the old system has ended: its script, rehearsed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from perdure.capability.contracts import End, Held
from perdure.capability.entries import hold_id, post_id, void_id
from perdure.core.script import Bodies, CallStep
from perdure.ledger.model import TransferKind
from perdure.legacy.shadow import Asks, Course, Ended, Rehearsal
from perdure.operations.model import Status
from perdure.operations.steps import from_json
from perdure.trades.asset_calls import block_says, delivery_says
from perdure.trades.contracts import CloseTrade, SettleTrade, TradeInput
from perdure.trades.funding import FUNDED, payouts_of
from perdure.trades.process import (
    BLOCK_ASSET,
    CLOSE,
    DELIVER_ASSET,
    MOVE_MONEY,
    OPEN,
    RETURN_MONEY,
    SETTLE,
    UNBLOCK_ASSET,
    run_trade,
)
from perdure.trades.wallet_calls import money_says


def _reference(trade: TradeInput) -> dict[str, Any]:
    return {"reference": trade.operation_id}


_ASKS: Final[Mapping[CallStep[Any, Any], Asks]] = {
    BLOCK_ASSET: lambda trade: {**_reference(trade), **block_says(trade)},
    MOVE_MONEY: lambda trade: {**_reference(trade), **money_says(trade)},
    DELIVER_ASSET: delivery_says,
    RETURN_MONEY: _reference,
    UNBLOCK_ASSET: _reference,
}


async def plan(ended: Ended) -> Course:
    """Return the course that Perdure would have taken with a trade."""
    trade, course = from_json(TradeInput, ended.operation.input), Course()
    held = hold_id(trade.operation_id)
    hold = FUNDED.new_hold(FUNDED.funds(trade))
    course.enter(TransferKind.PENDING, hold)

    async def begin(_: TradeInput) -> Held:
        return Held(held)

    async def settle(given: SettleTrade) -> End:
        posted = replace(hold, id=post_id(trade.operation_id))
        course.enter(TransferKind.POST_PENDING, posted, pending_id=held)
        for payout in payouts_of(trade):
            course.enter(TransferKind.POSTED, payout)
        success = FUNDED.success(given)
        for message in success.messages:
            course.tell(message)
        course.end = {"status": Status.SUCCEEDED, "failure": None, "result": success.result}
        return End(Status.SUCCEEDED)

    async def close(given: CloseTrade) -> End:
        voided = replace(hold, id=void_id(trade.operation_id))
        course.enter(TransferKind.VOID_PENDING, voided, pending_id=held)
        for message in FUNDED.failure_messages(given):
            course.tell(message)
        status = Status.CANCELLED if given.failure.cancelled else Status.FAILED
        course.end = {"status": status, "failure": given.failure.code, "result": None}
        return End(status)

    own: Bodies = {OPEN: begin, SETTLE: settle, CLOSE: close}
    await run_trade(trade, Rehearsal(ended, course, _ASKS, own))
    return course
