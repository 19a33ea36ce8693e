"""How a payment's workflow takes what the gateway tells of its charge, on the real server."""

from dataclasses import replace

from perdure.core.errors import (
    ProviderDisagrees,
    ProviderOutcomeUnknown,
)
from perdure.durable.scope import PARK
from perdure.payments.contracts import (
    CHARGE,
    CHECK_CHARGE,
    CONFIRM_CHARGE,
    GATEWAY_CALLBACK,
    SETTLE,
    UNDO_CHARGE,
    ChargeOutcome,
)

from .scripted import PENDING, SUCCEEDED, PaymentScenario, confirmation

FAILED = ChargeOutcome("ch_1", "failed", "card_declined")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")


async def test_a_callback_that_says_failed_has_the_gateway_asked_before_the_payment_fails_br6_fr5(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHECK_CHARGE] = FAILED
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await scenario.confirm(handle, FAILED)
    end = await handle.result()
    assert end.failure is not None
    assert end.failure.code == "card_declined"
    assert scenario.world.calls.count(CHECK_CHARGE) == 1
    assert not {UNDO_CHARGE, CONFIRM_CHARGE} & set(scenario.world.calls)


async def test_callbacks_that_lie_end_no_payment_and_the_true_one_does(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    true = confirmation(handle.id)
    lies = [
        replace(true, charge=replace(FAILED, charge_id="ch_x"), type="charge.failed"),
        replace(true, charge=PENDING),
        replace(true, charge=SUCCEEDED, type="charge.failed"),
        replace(true, amount_minor=1),
        replace(true, currency="JPY"),
        replace(true, charge=replace(SUCCEEDED, charge_id="ch_x")),
    ]
    for number, lie in enumerate(lies, 1):
        await handle.signal(GATEWAY_CALLBACK, lie)
        await scenario.until_called(CHECK_CHARGE, times=number)
    await handle.signal(GATEWAY_CALLBACK, true)
    assert (await handle.result()).status == "succeeded"
    assert scenario.world.given[SETTLE].charge == SUCCEEDED
    assert not {UNDO_CHARGE, CONFIRM_CHARGE} & set(scenario.world.calls)


async def test_a_lie_does_not_shorten_the_time_that_a_confirmation_has(
    scenario: PaymentScenario,
) -> None:
    handle = await scenario.start(callback_timeout_s=1)
    await scenario.until_called(CHARGE)
    await scenario.confirm(handle, FAILED)
    assert (await handle.result()).status == "succeeded"
    asked = [call for call in scenario.world.calls if call in (CHECK_CHARGE, CONFIRM_CHARGE)]
    assert asked == [CHECK_CHARGE, CONFIRM_CHARGE]


async def test_a_gateway_whose_answer_differs_parks_the_payment_until_somebody_has_looked(
    scenario: PaymentScenario,
) -> None:
    differs = ProviderDisagrees("amount_minor 125000 instead of 1250")
    scenario.world.answers[CHECK_CHARGE] = [differs, SUCCEEDED]
    handle = await scenario.start()
    await scenario.until_called(CHARGE)
    await scenario.confirm(handle, FAILED)
    await scenario.until_called(PARK)
    parked = scenario.world.given[PARK]
    assert (parked.step, parked.code) == (CHECK_CHARGE, "provider_disagrees")
    assert parked.message == differs.message
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"


async def test_a_callback_before_the_charge_has_answered_is_kept_br6(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[CHARGE] = [UNKNOWN, UNKNOWN, PENDING]
    handle = await scenario.start()
    await scenario.confirm(handle, FAILED)
    await scenario.confirm(handle)
    end = await handle.result()
    assert end.status == "succeeded"
    assert CONFIRM_CHARGE not in scenario.world.calls


async def test_no_callback_in_time_has_the_gateway_asked_br6_fr6(scenario: PaymentScenario) -> None:
    handle = await scenario.start(callback_timeout_s=0.2)
    end = await handle.result()
    assert end.status == "succeeded"
    assert scenario.world.calls.count(CONFIRM_CHARGE) == 1


async def test_no_confirmation_at_all_fails_the_payment_br6_fr6(scenario: PaymentScenario) -> None:
    scenario.world.answers[CONFIRM_CHARGE] = ChargeOutcome("ch_1", "cancelled")
    end = await (await scenario.start(callback_timeout_s=0.2)).result()
    assert end.failure is not None
    assert end.failure.code == "not_confirmed"
    assert UNDO_CHARGE not in scenario.world.calls
