"""A trade's workflow on the real server: forward and backward, as the table of recoveries says.

T-5: the trade is a workflow, each call an activity, what recovers it backward a child workflow.
T-8: forward recovery is tried on, parked and goes on; backward is undone in reverse, to its end.
"""

from typing import Any

import pytest

from perdure.core.errors import (
    OperationCancelled,
    PerdureError,
    ProviderAway,
    ProviderDeclined,
    ProviderDisagrees,
    Refused,
)
from perdure.durable.interceptors.cancellation import CANCEL
from perdure.durable.operation_ids import reversal_id
from perdure.durable.scope import BEGIN_REVERSAL, PARK, RESUME, CancelCall
from perdure.notifications.contracts import DELIVER
from perdure.trades.contracts import (
    BLOCK_ASSET,
    CLOSE,
    DELIVER_ASSET,
    FIND_DELIVERY,
    KIND,
    MOVE_MONEY,
    OPEN,
    RESOLVE_BLOCK,
    RESOLVE_DELIVERY,
    RESOLVE_MONEY,
    RETURN_MONEY,
    SETTLE,
    UNBLOCK_ASSET,
    BlockResolution,
    Delivery,
    MoneyResolution,
)
from perdure.trades.rules import RECOVERIES, Outcome, Recovery

from .scripted_trades import (
    BLOCKED,
    DELIVERED,
    MOVED,
    RETURNED,
    SUCCEEDED,
    TradeScenario,
)

DECLINED = ProviderDeclined("It will not.", code="holding_frozen")

FORWARD_LINE = [OPEN, BLOCK_ASSET, MOVE_MONEY, DELIVER_ASSET, SETTLE]
RESOLVES = {BLOCK_ASSET: RESOLVE_BLOCK, MOVE_MONEY: RESOLVE_MONEY, DELIVER_ASSET: RESOLVE_DELIVERY}
UNDOES = {BLOCK_ASSET: UNBLOCK_ASSET, MOVE_MONEY: RETURN_MONEY, DELIVER_ASSET: FIND_DELIVERY}
RESULTS: dict[str, Any] = {
    BLOCK_ASSET: BLOCKED,
    MOVE_MONEY: MOVED,
    DELIVER_ASSET: DELIVERED,
    SETTLE: SUCCEEDED,
    FIND_DELIVERY: Delivery(),
    RETURN_MONEY: RETURNED,
}


async def test_a_trade_is_a_workflow_whose_calls_are_activities_t3_t5(
    trades: TradeScenario,
) -> None:
    handle = await trades.start()
    assert await handle.result() == SUCCEEDED
    assert trades.world.calls == [*FORWARD_LINE, DELIVER]
    assert trades.world.given[SETTLE].delivered == DELIVERED
    events = (await handle.fetch_history()).events
    scheduled = [one.activity_task_scheduled_event_attributes.activity_type.name for one in events]
    assert [name for name in scheduled if name in FORWARD_LINE] == [*UNDOES]


FOUND: dict[str, Any] = {
    BLOCK_ASSET: BlockResolution(BLOCKED),
    MOVE_MONEY: MoneyResolution(MOVED),
    DELIVER_ASSET: Delivery(DELIVERED),
}
"""What an inquiry answers that found what was done."""


USED_UP = PerdureError("Its tries are used up.")
ERRORS: dict[Outcome, PerdureError] = {
    Outcome.REFUSED: DECLINED,
    Outcome.NOT_MADE: USED_UP,
    Outcome.AWAY: ProviderAway("It has given nobody an answer.", code="assets_unavailable"),
    Outcome.UNKNOWN: USED_UP,
    Outcome.DISAGREES: ProviderDisagrees("It did something else."),
    Outcome.CANCELLED: OperationCancelled("It is wanted."),
}
INQUIRY_ERRORS: dict[Outcome, PerdureError] = {
    Outcome.UNKNOWN: ProviderAway("It does not tell."),
    Outcome.DISAGREES: ERRORS[Outcome.DISAGREES],
}
"""What is left unknown, or was something else, is looked into by an inquiry, which ends so."""

FORWARD_CASES = [
    pytest.param(step, outcome, id=f"{step} {outcome}".removeprefix(f"{KIND}."))
    for step in (BLOCK_ASSET, MOVE_MONEY, DELIVER_ASSET)
    for outcome in Outcome
]


@pytest.mark.parametrize(("step", "outcome"), FORWARD_CASES)
async def test_each_way_that_a_call_ends_recovers_as_the_table_says_t8(
    trades: TradeScenario, step: str, outcome: Outcome
) -> None:
    """Forward and parked: it goes on from there. Backward: what was done is undone, in reverse."""
    answers, recovery = trades.world.answers, RECOVERIES[step.removeprefix(f"{KIND}.")][outcome]
    answers[step] = [ERRORS[outcome], RESULTS[step]]
    if outcome in INQUIRY_ERRORS:
        answers[RESOLVES[step]] = [INQUIRY_ERRORS[outcome], FOUND[step]]
    handle = await trades.start()
    if recovery is not Recovery.BACKWARD:
        await trades.world.until_called(PARK)
        await handle.signal(RESUME)
        assert await handle.result() == SUCCEEDED
        assert BEGIN_REVERSAL not in trades.world.calls
        return
    end = await handle.result()
    assert end.status == ("cancelled" if outcome is Outcome.CANCELLED else "failed")
    assert PARK not in trades.world.calls
    begun = [one for one in (BLOCK_ASSET, MOVE_MONEY, DELIVER_ASSET) if one in trades.world.calls]
    undone = [FIND_DELIVERY] if step == DELIVER_ASSET else []
    undone += [UNDOES[one] for one in reversed(begun) if one != DELIVER_ASSET]
    since = trades.world.calls.index(BEGIN_REVERSAL)
    assert trades.world.calls[since:] == [BEGIN_REVERSAL, *undone, CLOSE, DELIVER]
    assert SETTLE not in trades.world.calls


@pytest.mark.parametrize("undo", [FIND_DELIVERY, RETURN_MONEY, UNBLOCK_ASSET])
async def test_a_reversal_that_cannot_finish_is_parked_and_goes_on_t8(
    trades: TradeScenario, undo: str
) -> None:
    """It is never dropped: nothing else is undone before it, and the trade does not end."""
    usual = trades.world.answers[undo]
    trades.world.answers |= {DELIVER_ASSET: DECLINED, undo: [DECLINED, usual]}
    handle = await trades.start()
    await trades.world.until_called(PARK)
    assert trades.world.given[PARK].step == undo
    assert CLOSE not in trades.world.calls
    child = trades.client.get_workflow_handle(reversal_id(handle.id))
    assert (await child.describe()).status is not None
    # Nothing calls an undoing off.
    await handle.signal(CANCEL, CancelCall("ada", "Stop that."))
    await handle.signal(RESUME)
    end = await handle.result()
    assert (end.status, end.failure and end.failure.code) == ("failed", "holding_frozen")
    order = [one for one in trades.world.calls if one in UNDOES.values()]
    expected = [FIND_DELIVERY, RETURN_MONEY, UNBLOCK_ASSET]
    expected.insert(expected.index(undo), undo)
    assert order == expected


async def test_a_reversal_that_is_terminated_is_begun_again_once_it_is_resumed_t8(
    trades: TradeScenario,
) -> None:
    usual = trades.world.answers[RETURN_MONEY]
    trades.world.answers |= {DELIVER_ASSET: DECLINED, RETURN_MONEY: [DECLINED, usual]}
    handle = await trades.start()
    await trades.world.until_called(PARK)
    await trades.client.get_workflow_handle(reversal_id(handle.id)).terminate()
    await trades.world.until_called(PARK, times=2)
    await handle.signal(RESUME)
    assert (await handle.result()).status == "failed"
    assert trades.world.calls.count(BEGIN_REVERSAL) == 2


async def test_what_was_delivered_after_all_is_paid_for_t8(trades: TradeScenario) -> None:
    """Delivered is the point of no return, also where only the way back finds it out."""
    trades.world.answers |= {
        DELIVER_ASSET: OperationCancelled("It is wanted."),
        FIND_DELIVERY: Delivery(DELIVERED),
    }
    assert await (await trades.start()).result() == SUCCEEDED
    assert trades.world.calls == [
        *FORWARD_LINE[:-1],
        BEGIN_REVERSAL,
        FIND_DELIVERY,
        SETTLE,
        DELIVER,
    ]


async def test_past_the_point_of_no_return_our_books_are_insisted_on_t8(
    trades: TradeScenario,
) -> None:
    trades.world.answers[SETTLE] = [Refused("Closed.", code="account_not_open"), SUCCEEDED]
    handle = await trades.start()
    await trades.world.until_called(PARK)
    assert trades.world.given[PARK].code == "account_not_open"
    await handle.signal(CANCEL, CancelCall("ada", "Too late."))
    await handle.signal(RESUME)
    assert await handle.result() == SUCCEEDED
    assert CLOSE not in trades.world.calls
    assert BEGIN_REVERSAL not in trades.world.calls


async def test_a_trade_that_never_opened_has_nothing_to_undo_t8(trades: TradeScenario) -> None:
    trades.world.answers[OPEN] = OperationCancelled("It is wanted.")
    assert (await (await trades.start()).result()).status == "cancelled"
    assert trades.world.calls == [OPEN, BEGIN_REVERSAL, CLOSE, DELIVER]
