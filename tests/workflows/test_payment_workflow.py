"""A payment's workflow on the real server: each way it can go."""

from temporalio.client import WorkflowExecutionStatus

from perdure.core.errors import (
    InsufficientFunds,
    PerdureError,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.core.ids import new_id
from perdure.durable.scope import PARK, REQUEST_CANCEL, CancelCall, CancelDecision
from perdure.fraud import contracts as fraud
from perdure.fraud.contracts import SCORE, SCORE_FIRST_TRY, FirstTry, FraudVerdict
from perdure.notifications.contracts import DELIVER, DELIVER_FIRST_TRY
from perdure.notifications.contracts import workflow_id as delivery_id
from perdure.payments.contracts import (
    CHARGE,
    CHARGE_FIRST_TRY,
    CLOSE,
    HOLD_FUNDS,
    RESOLVE_CHARGE,
    SETTLE,
    STATUS,
    UNDO_CHARGE,
    ChargeOutcome,
    ChargeResolution,
)

from .scripted import PENDING, SUCCEEDED, PaymentScenario

FAILED = ChargeOutcome("ch_1", "failed", "card_declined")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")


async def test_payer_and_payee_are_told_in_parallel_e3(scenario: PaymentScenario) -> None:
    handle = await scenario.start()
    await scenario.confirm(handle)
    assert (await handle.result()).notification_ids == ["ntf_1", "ntf_2"]
    asked = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
    ]
    told = [one for one in asked if one.activity_type.name == DELIVER]
    assert len(told) == 2
    # Both are asked for by one workflow task: neither waits for the other.
    assert len({one.workflow_task_completed_event_id for one in told}) == 1


async def test_a_payment_goes_through_its_steps_in_order_fr1_fr2_fr3(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await scenario.confirm(handle)
    end = await handle.result()
    assert (end.status, end.failure) == ("succeeded", None)
    order = [call for call in scenario.world.calls if call != SCORE]
    assert order == [HOLD_FUNDS, CHARGE, SETTLE, DELIVER, DELIVER]


async def test_a_payment_that_meets_nothing_to_wait_for_troubles_no_providers_queue(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers |= {
        SCORE_FIRST_TRY: FirstTry(FraudVerdict(passed=True, score=1)),
        CHARGE_FIRST_TRY: ChargeResolution(SUCCEEDED),
        DELIVER_FIRST_TRY: lambda given: [],
    }
    end = await (await scenario.start()).result()
    assert end.status == "succeeded"
    order = [call for call in scenario.world.calls if call != SCORE_FIRST_TRY]
    assert order == [HOLD_FUNDS, CHARGE_FIRST_TRY, SETTLE, DELIVER_FIRST_TRY]


async def test_a_charge_made_at_once_is_confirmed_by_the_callback_br6(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHARGE_FIRST_TRY] = ChargeResolution(PENDING)
    handle = await scenario.start()
    await scenario.until_called(CHARGE_FIRST_TRY)
    await scenario.confirm(handle)
    assert (await handle.result()).status == "succeeded"
    assert CHARGE not in scenario.world.calls


async def test_first_tries_that_break_down_leave_it_to_the_queues(
    scenario: PaymentScenario,
) -> None:
    broken = dict.fromkeys(
        (SCORE_FIRST_TRY, CHARGE_FIRST_TRY, DELIVER_FIRST_TRY), PerdureError("A defect.")
    )
    scenario.world.answers |= broken | {CHARGE: SUCCEEDED}
    assert (await (await scenario.start()).result()).status == "succeeded"
    calls = scenario.world.calls
    assert [calls.count(name) for name in broken] == [1, 1, 1]
    assert [calls.count(name) for name in (SCORE, CHARGE, DELIVER)] == [1, 1, 2]


async def test_only_what_was_not_told_at_once_is_told_by_the_queue_br7(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers |= {CHARGE: SUCCEEDED, DELIVER_FIRST_TRY: lambda given: given[1:]}
    assert (await (await scenario.start()).result()).status == "succeeded"
    assert scenario.world.calls[-2:] == [DELIVER_FIRST_TRY, DELIVER]
    assert scenario.world.given[DELIVER] == "ntf_2"


async def test_a_check_that_fails_at_once_lets_no_money_leave_br5(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[SCORE_FIRST_TRY] = FirstTry(FraudVerdict(passed=False, score=99))
    end = await (await scenario.start()).result()
    assert end.failure is not None
    assert end.failure.code == "fraud_suspected"
    assert not {SCORE, CHARGE, CHARGE_FIRST_TRY} & set(scenario.world.calls)


async def test_the_status_query_answers_in_four_words_br8_fr8(scenario: PaymentScenario) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    assert await handle.query(STATUS) == "processing"
    await scenario.confirm(handle)
    await handle.result()
    assert await handle.query(STATUS) == "success"


async def test_a_refused_hold_ends_the_payment_before_anything_is_charged_br2(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[HOLD_FUNDS] = InsufficientFunds("Not enough.")
    handle = await scenario.start()
    end = await handle.result()
    assert end.status == "failed"
    assert end.failure is not None
    assert end.failure.code == "insufficient_funds"
    assert CHARGE not in scenario.world.calls
    assert UNDO_CHARGE not in scenario.world.calls
    assert await handle.query(STATUS) == "fail"


async def test_a_failed_fraud_check_lets_no_money_leave_br5_fr4(scenario: PaymentScenario) -> None:
    scenario.world.answers[SCORE] = FraudVerdict(passed=False, score=99)
    end = await (await scenario.start()).result()
    assert end.failure is not None
    assert end.failure.code == "fraud_suspected"
    assert CHARGE not in scenario.world.calls
    # A lane, whose check passed, may have charged before.
    assert scenario.world.calls[-3:-1] == [UNDO_CHARGE, CLOSE]


async def test_a_judgement_that_makes_no_sense_parks_the_payment_until_it_is_resumed(
    scenario: PaymentScenario,
) -> None:
    unknown = ProviderDisagrees("verdict 'review'", code="provider_status_unknown")
    scenario.world.answers[SCORE] = [unknown, FraudVerdict(passed=True, score=1)]
    scenario.world.answers[CHARGE] = SUCCEEDED
    handle = await scenario.start()
    await scenario.until_called(PARK)
    assert scenario.world.given[PARK].code == "provider_status_unknown"
    assert not {CHARGE, CLOSE} & set(scenario.world.calls)
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert scenario.world.calls.count(SCORE) == 2


async def test_a_charge_that_stays_other_than_was_asked_parks_the_payment(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHARGE] = ProviderDisagrees("amount_minor 50000 instead of 500")
    scenario.world.answers[RESOLVE_CHARGE] = [
        ProviderDisagrees("amount_minor 50000 instead of 500"),
        ChargeResolution(SUCCEEDED),
    ]
    handle = await scenario.start()
    await scenario.until_called(PARK)
    parked = scenario.world.given[PARK]
    assert (parked.code, parked.step) == ("provider_disagrees", RESOLVE_CHARGE)
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert not {UNDO_CHARGE, CLOSE} & set(scenario.world.calls)
    assert scenario.world.calls.count(CHARGE) == 1


async def test_the_fraud_check_is_a_child_workflow_beside_the_hold_br5_fr4(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await scenario.confirm(handle)
    await handle.result()
    child = await scenario.client.get_workflow_handle(f"{handle.id}-fraud").describe()
    assert child.status == WorkflowExecutionStatus.COMPLETED
    events = [event.event_type async for event in handle.fetch_history_events()]
    initiated, marker = 29, 25  # START_CHILD_WORKFLOW_EXECUTION_INITIATED, MARKER_RECORDED
    assert initiated in events
    assert marker in events


async def test_a_check_that_an_earlier_run_left_is_waited_out(scenario: PaymentScenario) -> None:
    operation_id = new_id("pay")
    left = await scenario.client.start_workflow(
        fraud.WORKFLOW,
        fraud.FraudCheck(operation_id, "cus_1", 500, "USD", "tok_ok"),
        id=fraud.workflow_id(operation_id),
        task_queue="nobody-polls-this",
    )
    handle = await scenario.start(operation_id=operation_id)
    await scenario.until_called(HOLD_FUNDS)
    await left.terminate("its parent was reset")
    await scenario.confirm(handle)
    assert (await handle.result()).status == "succeeded"


async def test_a_declined_charge_is_closed_without_a_refund_br3(scenario: PaymentScenario) -> None:
    scenario.world.answers[CHARGE] = ProviderDeclined("No.", code="card_declined")
    end = await (await scenario.start()).result()
    assert end.failure is not None
    assert end.failure.code == "card_declined"
    assert scenario.world.calls.count(CHARGE) == 1
    assert UNDO_CHARGE not in scenario.world.calls
    assert CLOSE in scenario.world.calls


async def test_a_flaky_gateway_is_tried_again_br4_e6(scenario: PaymentScenario) -> None:
    scenario.world.answers[CHARGE] = [UNKNOWN, ProviderUnavailable("away"), SUCCEEDED]
    end = await (await scenario.start()).result()
    assert end.status == "succeeded"
    assert scenario.world.calls.count(CHARGE) == 3


async def test_an_outcome_unknown_after_five_tries_is_found_out_before_anything_is_decided_e6(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHARGE] = UNKNOWN
    scenario.world.answers[RESOLVE_CHARGE] = [UNKNOWN, UNKNOWN, ChargeResolution(SUCCEEDED)]
    end = await (await scenario.start()).result()
    assert end.status == "succeeded"
    assert scenario.world.calls.count(CHARGE) == 5
    assert scenario.world.calls.count(RESOLVE_CHARGE) == 3


async def test_a_gateway_that_was_never_reached_fails_the_payment_br3(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHARGE] = ProviderUnavailable("away")
    end = await (await scenario.start()).result()
    assert end.failure is not None
    assert end.failure.code == "gateway_unavailable"
    assert SETTLE not in scenario.world.calls


async def test_a_cancel_signal_while_waiting_refunds_and_closes_br9_fr9(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    end = await handle.result()
    assert end.status == "cancelled"
    assert end.failure is not None
    assert end.failure.message == "Wrong amount."
    assert scenario.world.calls.count(UNDO_CHARGE) == 1
    assert scenario.world.calls.index(UNDO_CHARGE) < scenario.world.calls.index(CLOSE)


async def test_the_cancel_update_answers_yes_or_no_with_the_reason_br9(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[REQUEST_CANCEL] = [
        CancelDecision(accepted=False, reason="It is too late."),
        CancelDecision(accepted=True, reason="It will stop."),
    ]
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    refused = await handle.execute_update(
        "cancel", CancelCall("ada", "x"), result_type=CancelDecision
    )
    assert refused == CancelDecision(accepted=False, reason="It is too late.")
    accepted = await handle.execute_update(
        "cancel", CancelCall("ada", "x"), result_type=CancelDecision
    )
    assert accepted.accepted
    assert (await handle.result()).status == "cancelled"


async def test_temporals_own_cancel_is_answered_as_any_other(scenario: PaymentScenario) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await handle.cancel()
    end = await handle.result()
    assert end.status == "cancelled"
    assert scenario.world.calls.count(UNDO_CHARGE) == 1
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED


async def test_a_message_that_fails_does_not_fail_the_payment_and_is_tried_on_br7_fr7(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[DELIVER] = ProviderUnavailable("The mail server is away.")
    handle = await scenario.start()
    await scenario.confirm(handle)
    end = await handle.result()
    assert end.status == "succeeded"
    for notification_id in end.notification_ids:
        later = scenario.client.get_workflow_handle(delivery_id(notification_id))
        assert (await later.describe()).status == WorkflowExecutionStatus.RUNNING
        await later.terminate("the test is over")


async def test_a_step_that_meets_a_defect_is_parked_and_goes_on_when_resumed(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[SETTLE] = [
        PerdureError("A defect.", code="internal_error"),
        scenario.world.answers[SETTLE],
    ]
    handle = await scenario.start()
    await scenario.confirm(handle)
    await scenario.until_called(PARK)
    assert scenario.world.given[PARK].step == SETTLE
    assert scenario.world.given[PARK].message == "A defect."
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert UNDO_CHARGE not in scenario.world.calls


async def test_the_daily_limit_in_force_is_what_the_hold_is_asked_to_keep_br10(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start(daily_limit_minor=700)
    await scenario.confirm(handle, SUCCEEDED)
    await handle.result()
    assert scenario.world.given[HOLD_FUNDS].daily_limit_minor == 700
