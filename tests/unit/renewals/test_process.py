"""A renewal's script, its steps scripted."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from perdure.core.errors import (
    InsufficientFunds,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
)
from perdure.renewals.contracts import (
    DomainOffer,
    Fee,
    LetStand,
    RenewalEnd,
    RenewalFailure,
    RenewalInput,
    RenewalReport,
    Undone,
)
from perdure.renewals.process import run_renewal

from .test_rules import FEE, OFFER, RENEWAL, REPORT

CANCELLED = OperationCancelled("Wrong domain.")
UP_TO_RENEW = ["check_domain", "hold_fee", "renew"]


@dataclass
class ScriptedSteps:
    """Steps that succeed, or answer and raise what a test says."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    def _answer(self, step: str, given: Any, default: Any) -> Any:
        self.calls.append(step)
        self.given[step] = given
        answer = self.answers.get(step, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def check_domain(self, renewal: RenewalInput) -> DomainOffer:
        return self._answer("check_domain", renewal, OFFER)  # type: ignore[no-any-return]

    async def hold_fee(self, renewal: RenewalInput, fee: Fee) -> None:
        self._answer("hold_fee", fee, None)

    async def renew(self, renewal: RenewalInput) -> RenewalReport:
        return self._answer("renew", renewal, REPORT)  # type: ignore[no-any-return]

    async def check_report(
        self, renewal: RenewalInput, fee: Fee, report: RenewalReport
    ) -> RenewalReport:
        return self._answer("check_report", report, report)  # type: ignore[no-any-return]

    async def record(self, renewal: RenewalInput, fee: Fee, report: RenewalReport) -> RenewalEnd:
        default = RenewalEnd("succeeded", None, ["ntf_1"])
        return self._answer("record", (fee, report), default)  # type: ignore[no-any-return]

    async def undo_renewal(self, renewal: RenewalInput) -> Undone:
        return self._answer("undo_renewal", renewal, Undone())  # type: ignore[no-any-return]

    async def let_stand(self, given: LetStand) -> RenewalEnd:
        default = RenewalEnd("succeeded", None, ["ntf_2"])
        return self._answer("let_stand", given, default)  # type: ignore[no-any-return]

    async def close(self, renewal: RenewalInput, failure: RenewalFailure) -> RenewalEnd:
        status = "cancelled" if failure.cancelled else "failed"
        default = RenewalEnd(status, failure, ["ntf_3"])
        return self._answer("close", failure, default)  # type: ignore[no-any-return]

    async def notify(self, notification_ids: list[str]) -> None:
        self._answer("notify", notification_ids, None)


async def run(**answers: Any) -> tuple[RenewalEnd, ScriptedSteps]:
    steps = ScriptedSteps(answers)
    return await run_renewal(RENEWAL, steps), steps


async def test_a_renewal_is_checked_held_made_and_recorded_in_order_r1() -> None:
    end, steps = await run()
    assert end.status == "succeeded"
    assert steps.calls == [*UP_TO_RENEW, "check_report", "record", "notify"]
    assert steps.given["hold_fee"] == FEE
    assert steps.given["record"] == (FEE, REPORT)
    assert steps.given["notify"] == ["ntf_1"]


async def test_a_domain_the_registry_refuses_costs_nothing_r1() -> None:
    end, steps = await run(check_domain=replace(OFFER, status="locked"))
    assert end.failure is not None
    assert (end.status, end.failure.code) == ("failed", "domain_locked")
    assert steps.calls == ["check_domain", "close", "notify"]


async def test_a_refused_hold_ends_it_before_the_registry_is_told_r1() -> None:
    end, steps = await run(hold_fee=InsufficientFunds("Not enough."))
    assert end.status == "failed"
    assert steps.calls == ["check_domain", "hold_fee", "close", "notify"]


async def test_a_renewal_the_registry_declines_is_not_undone_r1() -> None:
    end, steps = await run(renew=ProviderDeclined("No.", code="years_over_maximum"))
    assert end.status == "failed"
    assert steps.calls == [*UP_TO_RENEW, "close", "notify"]


async def test_a_renewal_taken_back_there_fails_without_being_undone_r1() -> None:
    end, steps = await run(renew=replace(REPORT, status="undone"))
    assert end.failure is not None
    assert end.failure.code == "renewal_undone"
    assert steps.calls == [*UP_TO_RENEW, "close", "notify"]


async def test_a_cancel_after_the_renewal_has_it_undone_r1() -> None:
    end, steps = await run(record=CANCELLED)
    assert end.failure is not None
    assert (end.status, end.failure.message) == ("cancelled", "Wrong domain.")
    undone = ["record", "undo_renewal", "close", "notify"]
    assert steps.calls == [*UP_TO_RENEW, "check_report", *undone]


@pytest.mark.parametrize("step", ["renew", "check_report", "record"])
@pytest.mark.parametrize("error", [CANCELLED, PerdureError("A defect.")])
async def test_a_renewal_the_registry_does_not_take_back_succeeds_r1(
    step: str, error: PerdureError
) -> None:
    answers = {step: error, "undo_renewal": Undone(REPORT, "Not refundable.")}
    end, steps = await run(**answers)
    assert end.status == "succeeded"
    assert steps.calls[-3:] == ["undo_renewal", "let_stand", "notify"]
    assert "close" not in steps.calls
    stood = steps.given["let_stand"]
    assert (stood.fee, stood.report, stood.refusal) == (FEE, REPORT, "Not refundable.")
    assert stood.failure.message == error.message


async def test_a_report_read_again_is_the_one_that_is_recorded_r1() -> None:
    garbled = replace(REPORT, price_minor=1)
    _, steps = await run(renew=garbled, check_report=REPORT)
    assert steps.given["check_report"] == garbled
    assert steps.given["record"] == (FEE, REPORT)
