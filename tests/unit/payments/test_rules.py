"""What a payment's rules let pass, refuse, and plan."""

import dataclasses
from typing import Any

import pytest

from perdure.core.errors import (
    Conflict,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    Refused,
)
from perdure.core.ids import ACCOUNT, new_id
from perdure.core.money import AmountLimit
from perdure.notifications.contracts import Party
from perdure.payments.contracts import (
    ChargeOutcome,
    GatewayCallback,
    PaymentInput,
    PaymentRequest,
)
from perdure.payments.rules import (
    PaymentLimits,
    check_confirmed,
    check_fraud,
    check_limits,
    check_request,
    confirmed_by,
    has_to_be_undone,
)

GOOD = PaymentRequest("cus_1", new_id(ACCOUNT), 500, "USD", "tok_ok")
LIMITS = PaymentLimits(AmountLimit(1_000, {"JPY": 70}))


def changed(**fields: Any) -> PaymentRequest:
    return dataclasses.replace(GOOD, **fields)


def test_a_good_request_passes_br1() -> None:
    assert check_request(GOOD) == GOOD
    check_limits(changed(amount_minor=1_000), LIMITS)


def test_a_request_is_kept_in_one_form() -> None:
    asked = changed(
        customer_id=" Zoe\u0308 ",
        reference="re\u0301f\u3000",
        description=" as it is\u00a0",
        payee=Party("山田\u3000太郎", "g@Exämple.org", "+331234"),
    )
    kept = check_request(asked)
    assert (kept.customer_id, kept.reference) == ("Zoë", "réf")
    assert kept.description == asked.description
    assert kept.payee == Party("山田\u3000太郎", "g@xn--exmple-cua.org", "+331234")
    assert check_request(kept) == kept


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"amount_minor": 0}, "invalid_amount", "amount_minor"),
        ({"amount_minor": -1}, "invalid_amount", "amount_minor"),
        ({"amount_minor": 2**63}, "invalid_amount", "amount_minor"),
        ({"amount_minor": 1.5}, "invalid_amount", "amount_minor"),
        ({"amount_minor": True}, "invalid_amount", "amount_minor"),
        ({"currency": "usd"}, "unknown_currency", "currency"),
        ({"currency": "XXX"}, "unknown_currency", "currency"),
        ({"account_id": "acc_nonsense"}, "invalid_id", "account_id"),
        ({"account_id": new_id("pay")}, "invalid_id", "account_id"),
        ({"customer_id": " "}, "invalid_input", "customer_id"),
        ({"payment_method": ""}, "invalid_input", "payment_method"),
        ({"reference": "x" * 256}, "invalid_input", "reference"),
        ({"description": "x" * 256}, "invalid_input", "description"),
        ({"payer": Party(email="nobody")}, "invalid_input", "payer.email"),
        ({"description": "a\x1bb"}, "invalid_input", "description"),
        ({"payment_method": "a\nb"}, "invalid_input", "payment_method"),
        ({"payee": Party("a\x85b")}, "invalid_input", "payee.name"),
        ({"payee": Party(email="a,b@example.com")}, "invalid_input", "payee.email"),
        ({"payee": Party(email="")}, "invalid_input", "payee.email"),
        ({"payee": Party(phone="+٣٣١")}, "invalid_input", "payee.phone"),
    ],
)
def test_a_bad_request_is_refused_with_the_field_br1(
    fields: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_request(changed(**fields))
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(1_001, "USD"), (71, "JPY"), (11, "KRW"), (10_001, "KWD")]
)
def test_an_amount_over_its_currencys_limit_is_refused(amount_minor: int, currency: str) -> None:
    check_limits(changed(amount_minor=amount_minor - 1, currency=currency), LIMITS)
    with pytest.raises(LimitExceeded) as caught:
        check_limits(changed(amount_minor=amount_minor, currency=currency), LIMITS)
    assert (caught.value.code, caught.value.param) == ("amount_over_limit", "amount_minor")


def test_only_a_charge_that_succeeded_brought_the_money() -> None:
    check_confirmed(ChargeOutcome("ch_1", "succeeded"))
    with pytest.raises(ProviderDeclined) as caught:
        check_confirmed(ChargeOutcome("ch_1", "failed", "card_expired"))
    assert caught.value.code == "card_expired"
    with pytest.raises(ProviderDeclined) as caught:
        check_confirmed(ChargeOutcome("ch_1", "cancelled"))
    assert caught.value.code == "not_confirmed"


MADE = ChargeOutcome("ch_1", "pending")
SUCCEEDED = ChargeOutcome("ch_1", "succeeded")
TRUE = GatewayCallback("evt_1", SUCCEEDED, "charge.succeeded", "pay_1", 500, "USD")


@pytest.mark.parametrize(
    "lie",
    [
        {"charge": ChargeOutcome("ch_x", "succeeded")},
        {"charge": MADE},
        {"charge": ChargeOutcome("ch_1", "failed", "card_declined")},
        {"charge": ChargeOutcome("ch_1", "requires_action")},
        {"type": "charge.failed"},
        {"type": "charge.failed", "charge": ChargeOutcome("ch_1", "failed")},
        {"reference": "pay_2"},
        {"amount_minor": 50_000},
        {"currency": "JPY"},
        {"type": "", "reference": None, "amount_minor": None, "currency": None},
    ],
)
def test_only_a_success_that_agrees_in_everything_is_taken_without_asking(
    lie: dict[str, Any],
) -> None:
    payment = PaymentInput("pay_1", GOOD)
    told = dataclasses.replace(TRUE, **lie)
    assert confirmed_by(payment, MADE, []) is None
    assert confirmed_by(payment, MADE, [told]) is None
    assert confirmed_by(payment, MADE, [told, TRUE, told]) == SUCCEEDED


def test_a_suspicion_refuses() -> None:
    check_fraud(passed=True)
    with pytest.raises(Refused, match="fraud check"):
        check_fraud(passed=False)


@pytest.mark.parametrize(
    ("is_held", "error", "is_undone"),
    [
        (False, InsufficientFunds("x"), False),
        (False, Conflict("x"), True),
        (True, ProviderDeclined("x"), False),
        (True, OperationCancelled("x"), True),
        (True, Refused("x"), True),
        (True, PerdureError("x"), True),
    ],
)
def test_what_may_have_begun_is_undone_unless_it_surely_did_nothing(
    is_held: bool, error: PerdureError, is_undone: bool
) -> None:
    assert has_to_be_undone(error, is_held=is_held) is is_undone
