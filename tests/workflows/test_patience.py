"""A provider that is away for longer than an operation waits: it is parked, and goes on."""

from perdure.core.errors import ProviderAway, ProviderNotCalled
from perdure.durable.scope import PARK, CancelCall
from perdure.fraud.contracts import SCORE, FraudVerdict
from perdure.payments.contracts import CHARGE, CLOSE, HOLD_FUNDS, RESOLVE_CHARGE, UNDO_CHARGE
from perdure.refunds.contracts import FIND_OUT, GIVE_BACK
from perdure.renewals.contracts import RENEW, RESOLVE_RENEWAL
from perdure.transfers.contracts import PAY_OUT, RESOLVE_PAYOUT

from .script import Script
from .scripted import SUCCEEDED, PaymentScenario
from .scripted_refunds import RefundScenario
from .scripted_renewals import RenewalScenario
from .scripted_transfers import TransferScenario

AWAY = ProviderAway("It gives nobody an answer.", code="gateway_unavailable")


def away_once(world: Script, step: str, answer: object = None) -> None:
    """Have the patience at a step be over, and the provider be back afterwards."""
    world.answers[step] = [AWAY, answer or world.answers[step]]


def parked_at(world: Script) -> tuple[str, str]:
    return world.given[PARK].step, world.given[PARK].code


async def test_a_payment_is_parked_and_charged_once_resumed(scenario: PaymentScenario) -> None:
    away_once(scenario.world, CHARGE, SUCCEEDED)
    handle = await scenario.start()
    await scenario.until_called(PARK)
    assert parked_at(scenario.world) == (CHARGE, "gateway_unavailable")
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert not {RESOLVE_CHARGE, CLOSE} & set(scenario.world.calls)


async def test_a_payment_that_is_parked_is_cancelled(scenario: PaymentScenario) -> None:
    scenario.world.answers[CHARGE] = AWAY
    handle = await scenario.start()
    await scenario.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "It takes too long."))
    assert (await handle.result()).status == "cancelled"


async def test_a_payment_waits_for_its_fraud_check_and_fails_nobody(
    scenario: PaymentScenario,
) -> None:
    away_once(scenario.world, SCORE, FraudVerdict(passed=True, score=1))
    scenario.world.answers[CHARGE] = SUCCEEDED
    handle = await scenario.start()
    await scenario.until_called(PARK)
    assert parked_at(scenario.world) == (SCORE, "gateway_unavailable")
    assert CHARGE not in scenario.world.calls
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"


async def test_a_payment_whose_fraud_check_waits_is_cancelled_at_once(
    scenario: PaymentScenario,
) -> None:
    scenario.world.answers[SCORE] = ProviderNotCalled("It is away.")
    handle = await scenario.start()
    await scenario.until_called(SCORE, times=2)
    await scenario.until_called(HOLD_FUNDS)
    await handle.signal("cancel", CancelCall("ada", "It takes too long."))
    assert (await handle.result()).status == "cancelled"
    assert CHARGE not in scenario.world.calls
    # A lane may have charged before: the run that is cancelled does not know.
    assert scenario.world.calls.index(UNDO_CHARGE) < scenario.world.calls.index(CLOSE)


async def test_a_transfer_is_parked_and_paid_out_once_resumed(transfers: TransferScenario) -> None:
    away_once(transfers.world, PAY_OUT)
    handle = await transfers.start()
    await transfers.world.until_called(PARK)
    assert parked_at(transfers.world) == (PAY_OUT, "gateway_unavailable")
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert RESOLVE_PAYOUT not in transfers.world.calls


async def test_a_renewal_is_parked_and_made_once_resumed(renewals: RenewalScenario) -> None:
    away_once(renewals.world, RENEW)
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    assert parked_at(renewals.world) == (RENEW, "gateway_unavailable")
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert RESOLVE_RENEWAL not in renewals.world.calls


async def test_a_refund_is_parked_and_given_back_once_resumed(refunds: RefundScenario) -> None:
    away_once(refunds.world, GIVE_BACK)
    handle = await refunds.start()
    await refunds.world.until_called(PARK)
    assert parked_at(refunds.world) == (GIVE_BACK, "gateway_unavailable")
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert FIND_OUT not in refunds.world.calls
