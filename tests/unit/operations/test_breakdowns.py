"""What is a breakdown, and what a no."""

import pytest

from perdure.core.errors import (
    InsufficientFunds,
    OperationParked,
    PerdureError,
    ProviderDisagrees,
    ProviderOutcomeUnknown,
)
from perdure.operations.breakdowns import is_breakdown
from perdure.operations.model import Failure, Status


@pytest.mark.parametrize(
    "code",
    [
        PerdureError.code,
        ProviderDisagrees.code,
        ProviderOutcomeUnknown.code,
        "timed_out",
        "bank_unavailable",
    ],
)
@pytest.mark.parametrize("status", [Status.FAILED, Status.NEEDS_ATTENTION])
def test_a_defect_and_who_was_away_break_an_operation_down(status: Status, code: str) -> None:
    assert is_breakdown(status, Failure(code, ""))


@pytest.mark.parametrize(
    "code", [InsufficientFunds.code, "card_declined", "not_confirmed", "fraud_suspected"]
)
def test_a_no_is_none_until_somebody_has_to_look_at_it(code: str) -> None:
    assert not is_breakdown(Status.FAILED, Failure(code, ""))
    assert is_breakdown(Status.NEEDS_ATTENTION, Failure(code, ""))


@pytest.mark.parametrize(
    "status", [Status.SUCCEEDED, Status.CANCELLED, Status.WAITING, Status.UNKNOWN, Status.REVERSING]
)
def test_what_goes_on_or_was_cancelled_has_not_broken_down(status: Status) -> None:
    assert not is_breakdown(status, Failure(PerdureError.code, ""))
    assert not is_breakdown(status, None)


def test_what_an_operator_holds_has_not_broken_down() -> None:
    assert not is_breakdown(Status.NEEDS_ATTENTION, Failure(OperationParked.code, ""))
