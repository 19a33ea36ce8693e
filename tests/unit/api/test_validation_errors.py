"""A wrong field is named, and the message says what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from perdure.api.kind_schemas import KindSchemas
from perdure.api.validation_errors import Explanation, explain
from perdure.payments.capability import PAYMENTS

SCHEMAS = KindSchemas(PAYMENTS)
GOOD: dict[str, Any] = {
    "customer_id": "cus_1",
    "account_id": "acc_1",
    "amount_minor": 1250,
    "currency": "USD",
    "payment_method": "pm_1",
}


def explanation_of(body: object) -> Explanation:
    with pytest.raises(ValidationError) as caught:
        SCHEMAS.body.model_validate(body)
    return explain([{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors()])


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"amount_minor": 12.5}, "invalid_amount", "amount_minor"),
        ({"amount_minor": 12.0}, "invalid_amount", "amount_minor"),
        ({"amount_minor": "1250"}, "invalid_amount", "amount_minor"),
        ({"amount_minor": True}, "invalid_amount", "amount_minor"),
        ({"amount_minor": None}, "invalid_amount", "amount_minor"),
        ({"amount_minor": float("nan")}, "invalid_amount", "amount_minor"),
        ({"customer_id": 7}, "invalid_input", "customer_id"),
        ({"customer_id": ""}, "invalid_input", "customer_id"),
        ({"customer_id": "a\x00b"}, "invalid_input", "customer_id"),
        ({"customer_id": "\ud800"}, "invalid_input", "customer_id"),
        ({"customer_id": "x" * 256}, "invalid_input", "customer_id"),
        ({"description": "two\nlines"}, "invalid_input", "description"),
        ({"payee": "Ada"}, "invalid_input", "payee"),
        ({"payee": {"email": 1}}, "invalid_input", "payee.email"),
        ({"payee": {"mail": "a@b.c"}}, "unknown_field", "payee.mail"),
        ({"ammount": 1}, "unknown_field", "ammount"),
        ({"metadata": {"a": 1}}, "invalid_input", "metadata.a"),
        ({"metadata": {"k" * 41: "v"}}, "invalid_input", f"metadata.{'k' * 41}.[key]"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "invalid_input", "metadata"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], code: str, param: str) -> None:
    found = explanation_of(GOOD | change)
    assert (found.code, found.param) == (code, param)
    assert param in found.message


def test_a_missing_field_is_named() -> None:
    found = explanation_of({name: value for name, value in GOOD.items() if name != "currency"})
    assert found == Explanation("missing_field", "Give currency; it is required.", "currency")


def test_a_fraction_of_an_amount_is_told_what_a_minor_unit_is() -> None:
    assert "minor units (cents for USD)" in explanation_of(GOOD | {"amount_minor": 12.5}).message


def test_a_body_that_is_no_object_is_told_so() -> None:
    assert explanation_of([1]).message == "Give the body as a JSON object."


def test_a_good_body_passes() -> None:
    assert SCHEMAS.request_of(SCHEMAS.body.model_validate(GOOD)).amount_minor == 1250
