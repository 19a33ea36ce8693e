"""A transfer's workflow on the real server: each way it can go."""

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from perdure.capability.contracts import FirstTry
from perdure.core.errors import (
    InsufficientFunds,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    TurnPending,
)
from perdure.durable.scope import PARK, CancelCall
from perdure.notifications.contracts import DELIVER
from perdure.transfers.contracts import (
    CLOSE,
    HOLD_FUNDS,
    PAY_OUT,
    RECALL_PAYOUT,
    RESOLVE_PAYOUT,
    RUN_FIRST_TRY,
    SETTLE,
    PayoutOutcome,
    PayoutResolution,
)

from .scripted_transfers import PAID, RECALLED, SUCCEEDED, TransferScenario

CANCELLED = OperationCancelled("Wrong amount.")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")


async def test_a_transfer_debits_pays_out_and_settles_in_order_e5(
    transfers: TransferScenario,
) -> None:
    end = await (await transfers.start()).result()
    assert (end.status, end.failure) == ("succeeded", None)
    assert transfers.world.calls == [RUN_FIRST_TRY, HOLD_FUNDS, PAY_OUT, SETTLE, DELIVER]
    assert transfers.world.given[SETTLE].payout == PAID


async def test_a_transfer_done_at_once_takes_no_further_step_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[RUN_FIRST_TRY] = FirstTry(SUCCEEDED, untold=["ntf_2"])
    end = await (await transfers.start()).result()
    assert end == SUCCEEDED
    assert transfers.world.calls == [RUN_FIRST_TRY, DELIVER]
    assert transfers.world.given[DELIVER] == "ntf_2"


async def test_a_first_try_that_breaks_down_is_gone_on_with_step_by_step(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[RUN_FIRST_TRY] = PerdureError("A defect.")
    assert (await (await transfers.start()).result()).status == "succeeded"
    assert transfers.world.calls.count(RUN_FIRST_TRY) == 1
    assert HOLD_FUNDS in transfers.world.calls


async def test_a_refused_hold_ends_the_transfer_before_anything_is_paid_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[HOLD_FUNDS] = InsufficientFunds("Not enough.")
    end = await (await transfers.start()).result()
    assert end.failure is not None
    assert (end.status, end.failure.code) == ("failed", "insufficient_funds")
    assert transfers.world.calls == [RUN_FIRST_TRY, HOLD_FUNDS, CLOSE, DELIVER]


async def test_a_payout_the_bank_refuses_is_closed_without_a_recall_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[PAY_OUT] = ProviderDeclined("No.", code="account_closed")
    end = await (await transfers.start()).result()
    assert end.failure is not None
    assert end.failure.code == "account_closed"
    assert transfers.world.calls == [RUN_FIRST_TRY, HOLD_FUNDS, PAY_OUT, CLOSE, DELIVER]


async def test_a_payout_that_failed_at_the_bank_is_closed_without_a_recall_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[PAY_OUT] = PayoutOutcome("po_1", "failed", "account_blocked")
    end = await (await transfers.start()).result()
    assert end.failure is not None
    assert end.failure.code == "account_blocked"
    assert RECALL_PAYOUT not in transfers.world.calls
    assert SETTLE not in transfers.world.calls


async def test_a_cancel_between_payout_and_settle_is_undone_in_reverse_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[SETTLE] = CANCELLED
    end = await (await transfers.start()).result()
    assert end.failure is not None
    assert (end.status, end.failure.message) == ("cancelled", "Wrong amount.")
    assert transfers.world.calls == [
        RUN_FIRST_TRY,
        *(HOLD_FUNDS, PAY_OUT, SETTLE),
        *(RECALL_PAYOUT, CLOSE),
        DELIVER,
    ]


async def test_a_request_to_cancel_that_comes_late_does_not_call_off_the_undoing_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[SETTLE] = CANCELLED
    away_for_a_second = ApplicationError(
        "away", type="ProviderUnavailable", next_retry_delay=timedelta(seconds=1)
    )
    transfers.world.answers[RECALL_PAYOUT] = [away_for_a_second, PayoutResolution(RECALLED)]
    handle = await transfers.start()
    await transfers.world.until_called(RECALL_PAYOUT)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    assert (await handle.result()).status == "cancelled"
    assert PARK not in transfers.world.calls
    assert transfers.world.calls.count(RECALL_PAYOUT) == 2


async def test_undoing_that_waits_for_its_turn_is_not_called_off_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[SETTLE] = CANCELLED
    transfers.world.answers[RECALL_PAYOUT] = [TurnPending("later"), PayoutResolution(RECALLED)]
    handle = await transfers.start()
    await transfers.world.until_called(RECALL_PAYOUT)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    assert (await handle.result()).status == "cancelled"
    assert PARK not in transfers.world.calls


async def test_a_cancel_before_the_payout_recalls_what_may_have_left_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[PAY_OUT] = [UNKNOWN, CANCELLED]
    end = await (await transfers.start()).result()
    assert end.status == "cancelled"
    assert transfers.world.calls[-3:] == [RECALL_PAYOUT, CLOSE, DELIVER]


async def test_tries_that_are_used_up_are_resolved_before_anything_is_decided_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[PAY_OUT] = UNKNOWN
    transfers.world.answers[RESOLVE_PAYOUT] = [UNKNOWN, UNKNOWN, PayoutResolution(PAID)]
    end = await (await transfers.start()).result()
    assert end.status == "succeeded"
    assert transfers.world.calls.count(PAY_OUT) == 5
    assert transfers.world.calls.count(RESOLVE_PAYOUT) == 3
    assert RECALL_PAYOUT not in transfers.world.calls


async def test_a_bank_that_was_never_reached_fails_the_transfer_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[PAY_OUT] = ProviderUnavailable("away")
    end = await (await transfers.start()).result()
    assert end.failure is not None
    assert end.failure.code == "bank_unavailable"
    assert SETTLE not in transfers.world.calls


async def test_a_recall_the_bank_refuses_is_parked_until_it_is_resumed_e5(
    transfers: TransferScenario,
) -> None:
    transfers.world.answers[SETTLE] = CANCELLED
    transfers.world.answers[RECALL_PAYOUT] = [
        ProviderDeclined("It stays.", code="payout_not_recallable"),
        PayoutResolution(RECALLED),
    ]
    handle = await transfers.start()
    await transfers.world.until_called(PARK)
    assert transfers.world.given[PARK].code == "payout_not_recallable"
    assert CLOSE not in transfers.world.calls
    await handle.signal("resume")
    assert (await handle.result()).status == "cancelled"
    assert transfers.world.calls.count(RECALL_PAYOUT) == 2


async def test_a_cancel_while_the_outcome_is_parked_is_heard(transfers: TransferScenario) -> None:
    transfers.world.answers[PAY_OUT] = UNKNOWN
    transfers.world.answers[RESOLVE_PAYOUT] = PerdureError("A defect.")
    handle = await transfers.start()
    await transfers.world.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    end = await handle.result()
    assert end.status == "cancelled"
    assert transfers.world.calls[-3:] == [RECALL_PAYOUT, CLOSE, DELIVER]
