"""An answer is compared with what was asked, field by field."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from perdure.core.errors import ProviderDisagrees
from perdure.operations.agreement import Expected


@dataclass(frozen=True)
class Said:
    reference: str = "pay_1"
    amount_minor: int = 1250
    currency: str = "USD"
    status: str = "succeeded"


EXPECTED = Expected(
    "gateway",
    {"reference": "pay_1", "amount_minor": 1250, "currency": "USD"},
    {"status": frozenset({"succeeded", "failed"})},
)


def test_an_answer_that_says_what_was_asked_is_let_pass() -> None:
    EXPECTED.check(Said())
    EXPECTED.check(Said(status="failed"))


@pytest.mark.parametrize(
    ("change", "code", "shown"),
    [
        ({"amount_minor": 125_000}, "provider_disagrees", "amount_minor 125000 instead of 1250"),
        ({"currency": "JPY"}, "provider_disagrees", "currency 'JPY' instead of 'USD'"),
        ({"reference": "pay_2"}, "provider_disagrees", "reference 'pay_2' instead of 'pay_1'"),
        (
            {"status": "requires_action"},
            "provider_status_unknown",
            "status 'requires_action', which is none of failed, succeeded",
        ),
        (
            {"status": "requires_action", "amount_minor": 1},
            "provider_disagrees",
            "amount_minor 1 instead of 1250; status 'requires_action'",
        ),
    ],
)
def test_one_that_does_not_is_refused_with_both_values(
    change: dict[str, Any], code: str, shown: str
) -> None:
    with pytest.raises(ProviderDisagrees) as caught:
        EXPECTED.check(replace(Said(), **change))
    assert caught.value.code == code
    assert shown in caught.value.message


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(ProviderDisagrees) as caught:
        EXPECTED.check(Said(reference="x" * 10_000))
    assert len(caught.value.message) < 300


def test_what_something_is_about_can_be_checked_alone() -> None:
    EXPECTED.check_is_about(Said(amount_minor=1))
    with pytest.raises(ProviderDisagrees, match="'pay_2' instead of 'pay_1'"):
        EXPECTED.check_is_about(Said("pay_2"))
