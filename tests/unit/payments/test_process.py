"""A payment's script, its steps scripted: the hold beside the fraud check, and what is undone."""

import asyncio
from typing import Any

import pytest

from perdure.capability.contracts import End
from perdure.core.errors import Conflict, OperationCancelled, Refused
from perdure.operations.lanes.steps import Promoted
from perdure.payments.contracts import (
    ChargeOutcome,
    HoldFunds,
    PaymentInput,
    PaymentOptions,
    PaymentRequest,
)
from perdure.payments.process import CHECK_FRAUD, run_payment
from tests.unit.scripted_runner import ScriptedRunner

REQUEST = PaymentRequest("cus_1", "acc_1", 500, "USD", "tok_ok")
PAYMENT = PaymentInput("pay_1", REQUEST, PaymentOptions(daily_limit_minor=700))
CHARGED = ChargeOutcome("ch_1", "succeeded")
PENDING = ChargeOutcome("ch_1", "pending")


def scripted(**answers: Any) -> ScriptedRunner:
    return ScriptedRunner(
        {
            "check_fraud": True,
            "charge": PENDING,
            "confirmation": CHARGED,
            "settle": End("succeeded", None, ["ntf_1"]),
            "close": lambda given: End("failed", given.failure, ["ntf_2"]),
            **answers,
        }
    )


async def test_a_payment_is_held_and_checked_then_charged_confirmed_and_settled() -> None:
    steps = scripted()
    assert (await run_payment(PAYMENT, steps)).status == "succeeded"
    assert steps.calls == ["hold_funds", "check_fraud", "charge", "confirmation", "settle", "tell"]
    assert steps.given["hold_funds"] == HoldFunds(PAYMENT, 700)
    assert steps.given["settle"].charge == CHARGED


async def test_a_payment_that_does_not_count_is_held_without_a_limit() -> None:
    steps = scripted()
    await run_payment(PAYMENT, steps, counts=False)
    assert steps.given["hold_funds"] == HoldFunds(PAYMENT, None)


@pytest.mark.parametrize(
    ("answers", "undone"),
    [
        ({"hold_funds": Refused("No funds.")}, []),
        ({"hold_funds": Conflict("It is being undone.")}, ["undo_charge"]),
        ({"check_fraud": False}, ["undo_charge"]),
        ({"charge": OperationCancelled("Wrong amount.")}, ["undo_charge"]),
        ({"confirmation": ChargeOutcome("ch_1", "failed", "card_expired")}, []),
    ],
)
async def test_what_may_have_been_charged_is_undone_before_it_closes(
    answers: dict[str, Any], undone: list[str]
) -> None:
    steps = scripted(**answers)
    assert (await run_payment(PAYMENT, steps)).status == "failed"
    assert steps.calls[-2 - len(undone) :] == [*undone, "close", "tell"]
    assert "settle" not in steps.calls


class Waits(ScriptedRunner):
    """Its fraud check waits, and its hold ends while it does."""

    check_ended_by: BaseException | None = None

    async def run(self, step: Any, given: Any) -> Any:
        if step is not CHECK_FRAUD:
            await asyncio.sleep(0)
            return await super().run(step, given)
        try:
            return await asyncio.Event().wait()
        except BaseException as error:
            self.check_ended_by = error
            raise


async def test_a_lane_that_is_left_at_the_hold_leaves_no_check_behind() -> None:
    steps = Waits({"hold_funds": Promoted("hold_funds: No funds.")})
    with pytest.raises(Promoted):
        await run_payment(PAYMENT, steps)
    await asyncio.sleep(0)
    assert isinstance(steps.check_ended_by, asyncio.CancelledError)
    assert steps.calls == ["hold_funds"]
