"""Corrections: what a patch makes of a request, and what it may not touch."""

from typing import Any

import pytest

from perdure.core.errors import InvalidInput
from perdure.core.ids import ACCOUNT, new_id
from perdure.core.notes import correctable
from perdure.notifications.contracts import Party
from perdure.operations.correction import correct, merge, read_request
from perdure.operations.model import By
from perdure.operations.steps import to_json
from perdure.payments.contracts import PaymentRequest
from perdure.payments.rules import check_request

CORRECTABLE = correctable(PaymentRequest)
REQUEST = to_json(PaymentRequest("cus_1", "acc_1", 500, "USD", "tok_ok", reference="ref"))


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    correction = merge(REQUEST, {"payee": {"email": "ada@example.com"}}, CORRECTABLE)
    assert correction.request == REQUEST | {
        "payee": {"name": "", "email": "ada@example.com", "phone": None}
    }
    assert correction.before == {"payee": REQUEST["payee"]}
    assert correction.after == {"payee": correction.request["payee"]}
    assert read_request(PaymentRequest, correction.request).payee.email == "ada@example.com"
    assert REQUEST["payee"]["email"] is None


@pytest.mark.parametrize(
    ("patch", "code", "param"),
    [
        ({"payeee": {"email": "a@b"}}, "unknown_field", "payeee"),
        ({"payee": {"mail": "a@b"}}, "unknown_field", "payee.mail"),
        ({}, "nothing_to_correct", "patch"),
        ({"description": ""}, "nothing_to_correct", "patch"),
        ({"description": "a\x00b"}, "invalid_input", "description"),
        ({"payee": {"name": "a\nb"}}, "invalid_input", "payee.name"),
        *(
            ({name: value}, "field_not_correctable", name)
            for name, value in {
                "customer_id": "cus_2",
                "account_id": "acc_2",
                "amount_minor": 1,
                "currency": "EUR",
                "reference": "other",
            }.items()
        ),
    ],
)
def test_what_cannot_be_corrected_is_named(patch: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge(REQUEST, patch, CORRECTABLE)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_what_is_corrected_is_kept_in_its_normal_form_and_nothing_else_is_touched() -> None:
    # As it was accepted before there was such a form.
    old = PaymentRequest("cus_1 ", new_id(ACCOUNT), 500, "USD", "tok_ok", Party("Ada", "a@X.org"))
    found = correct(
        to_json(old),
        {"payee": {"email": "b@Exämple.org"}},
        CORRECTABLE,
        PaymentRequest,
        check_request,
    )
    assert found.after["payee"]["email"] == "b@xn--exmple-cua.org"
    assert found.request == to_json(old) | found.after


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"payment_method": 7}, "payment_method"),
        ({"payment_method": None}, "payment_method"),
        ({"payee": "Ada"}, "payee"),
        ({"payee": {"email": ["a@b"]}}, "payee.email"),
    ],
)
def test_a_value_of_another_type_is_refused(patch: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(PaymentRequest, merge(REQUEST, patch, CORRECTABLE).request)
    assert caught.value.param == param


@pytest.mark.parametrize("reason", ["", "  "])
def test_nobody_acts_without_a_reason(reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        By("ada", reason).check()
    assert (caught.value.code, caught.value.param) == ("reason_required", "reason")
