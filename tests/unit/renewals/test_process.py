"""A renewal's script, its steps scripted."""

from dataclasses import replace
from typing import Any

import pytest

from perdure.capability.contracts import End
from perdure.core.errors import (
    InsufficientFunds,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
)
from perdure.renewals.contracts import CloseRenewal, HoldFee, RecordRenewal, Undone
from perdure.renewals.process import run_renewal
from tests.unit.scripted_runner import ScriptedRunner

from .test_rules import FEE, OFFER, RENEWAL, REPORT

CANCELLED = OperationCancelled("Wrong domain.")
UP_TO_RENEW = ["check_domain", "hold_fee", "renew"]


def closed(given: CloseRenewal) -> End:
    status = "cancelled" if given.failure.cancelled else "failed"
    return End(status, given.failure, ["ntf_3"])


async def run(**answers: Any) -> tuple[End, ScriptedRunner]:
    steps = ScriptedRunner(
        {
            "check_domain": OFFER,
            "renew": REPORT,
            "read_report": REPORT,
            "record": End("succeeded", None, ["ntf_1"]),
            "undo_renewal": Undone(),
            "let_stand": End("succeeded", None, ["ntf_2"]),
            "close": closed,
            **answers,
        }
    )
    return await run_renewal(RENEWAL, steps), steps


async def test_a_renewal_is_checked_held_made_and_recorded_in_order_r1() -> None:
    end, steps = await run()
    assert end.status == "succeeded"
    assert steps.calls == [*UP_TO_RENEW, "record", "tell"]
    assert steps.given["hold_fee"] == HoldFee(RENEWAL, FEE)
    assert steps.given["record"] == RecordRenewal(RENEWAL, FEE, REPORT)
    assert steps.given["tell"] == ["ntf_1"]


async def test_a_domain_the_registry_refuses_costs_nothing_r1() -> None:
    end, steps = await run(check_domain=replace(OFFER, status="locked"))
    assert end.failure is not None
    assert (end.status, end.failure.code) == ("failed", "domain_locked")
    assert steps.calls == ["check_domain", "close", "tell"]


async def test_a_refused_hold_ends_it_before_the_registry_is_told_r1() -> None:
    end, steps = await run(hold_fee=InsufficientFunds("Not enough."))
    assert end.status == "failed"
    assert steps.calls == ["check_domain", "hold_fee", "close", "tell"]


async def test_a_renewal_the_registry_declines_is_not_undone_r1() -> None:
    end, steps = await run(renew=ProviderDeclined("No.", code="years_over_maximum"))
    assert end.status == "failed"
    assert steps.calls == [*UP_TO_RENEW, "close", "tell"]


async def test_a_renewal_taken_back_there_fails_without_being_undone_r1() -> None:
    end, steps = await run(renew=replace(REPORT, status="undone"))
    assert end.failure is not None
    assert end.failure.code == "renewal_undone"
    assert steps.calls == [*UP_TO_RENEW, "close", "tell"]


async def test_a_cancel_after_the_renewal_has_it_undone_r1() -> None:
    end, steps = await run(record=CANCELLED)
    assert end.failure is not None
    assert (end.status, end.failure.message) == ("cancelled", "Wrong domain.")
    undone = ["record", "undo_renewal", "close", "tell"]
    assert steps.calls == [*UP_TO_RENEW, *undone]


@pytest.mark.parametrize("step", ["renew", "record"])
@pytest.mark.parametrize("error", [CANCELLED, PerdureError("A defect.")])
async def test_a_renewal_the_registry_does_not_take_back_succeeds_r1(
    step: str, error: PerdureError
) -> None:
    answers = {step: error, "undo_renewal": Undone(REPORT, "Not refundable.")}
    end, steps = await run(**answers)
    assert end.status == "succeeded"
    assert steps.calls[-3:] == ["undo_renewal", "let_stand", "tell"]
    assert "close" not in steps.calls
    stood = steps.given["let_stand"]
    assert (stood.fee, stood.report, stood.refusal) == (FEE, REPORT, "Not refundable.")
    assert stood.failure.message == error.message


async def test_a_report_that_differs_is_read_again_and_that_one_is_recorded_r1() -> None:
    _, steps = await run(renew=replace(REPORT, price_minor=1))
    assert steps.calls == [*UP_TO_RENEW, "read_report", "record", "tell"]
    assert steps.given["record"] == RecordRenewal(RENEWAL, FEE, REPORT)


async def test_a_renewal_taken_back_before_its_report_is_read_again_fails_r1() -> None:
    garbled, undone = replace(REPORT, price_minor=1), replace(REPORT, status="undone")
    end, steps = await run(renew=garbled, read_report=undone)
    assert end.failure is not None
    assert end.failure.code == "renewal_undone"
    assert steps.calls == [*UP_TO_RENEW, "read_report", "close", "tell"]
