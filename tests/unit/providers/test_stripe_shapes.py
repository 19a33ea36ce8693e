"""Stripe's amounts, webhooks and words in ours (no server)."""

import json
import time
from typing import Any

import pytest
import stripe

from perdure.core.errors import ConfigurationError, InvalidInput, Unauthenticated
from perdure.core.money import MINOR_UNIT_DIGITS
from perdure.providers.stripe_callbacks import event_in, verified
from perdure.providers.stripe_money import from_stripe, to_stripe
from perdure.providers.stripe_objects import REFERENCE, Intent, LatestCharge, charge_of

SECRET = "whsec_test_secret"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "at_stripe"),
    [
        (1250, "EUR", 1250),
        (1250, "JPY", 1250),
        (1250, "KRW", 1250),
        (1250, "KWD", 1250),
        (1250, "ISK", 125_000),
        (5, "UGX", 5),
    ],
)
def test_an_amount_is_written_as_stripe_has_it(
    amount_minor: int, currency: str, at_stripe: int
) -> None:
    assert to_stripe(amount_minor, currency) == at_stripe
    assert from_stripe(at_stripe, currency) == amount_minor


@pytest.mark.parametrize("currency", ["BHD", "KWD", "TND"])
def test_an_amount_that_stripe_cannot_charge_is_refused(currency: str) -> None:
    with pytest.raises(InvalidInput, match=r"in tens .* 1251 cannot be charged, 1250 can") as no:
        to_stripe(1251, currency)
    assert (no.value.code, no.value.param) == ("amount_not_representable", "amount_minor")


@pytest.mark.parametrize("currency", sorted(MINOR_UNIT_DIGITS))
def test_every_currency_taken_here_comes_back_as_it_went(currency: str) -> None:
    assert from_stripe(to_stripe(1_000, currency), currency) == 1_000


def test_what_stripe_could_not_have_taken_differs_from_what_was_asked() -> None:
    assert from_stripe(101, "ISK") == 2


@pytest.mark.parametrize(
    ("status", "error", "ours", "code"),
    [
        ("succeeded", None, "succeeded", None),
        ("processing", None, "pending", None),
        ("canceled", None, "cancelled", None),
        ("requires_payment_method", {"decline_code": "lost_card"}, "failed", "lost_card"),
        ("requires_payment_method", {"code": "expired_card"}, "failed", "expired_card"),
        ("requires_payment_method", None, "requires_payment_method", None),
        ("requires_action", None, "requires_action", None),
        ("requires_capture", None, "requires_capture", None),
    ],
)
def test_a_status_is_ours_or_stays_stripes(
    status: str, error: dict[str, Any] | None, ours: str, code: str | None
) -> None:
    intent = Intent(
        "pi_1",
        1250,
        "eur",
        status,
        amount_received=1250 if status == "succeeded" else 0,
        metadata={REFERENCE: "pay_1"},
        latest_charge=LatestCharge(250),
        last_payment_error=error,
    )
    charge = charge_of(intent)
    assert (charge.status, charge.failure_code) == (ours, code)
    assert (charge.id, charge.reference) == ("pi_1", "pay_1")
    assert (charge.amount_minor, charge.currency, charge.refunded_minor) == (1250, "EUR", 250)


def event(kind: str, **told: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "data": {"object": {"object": "payment_intent", "currency": "isk", **told}},
    }


def sent(
    body: str, *, secret: str = SECRET, age_s: int = 0, secrets: tuple[str, ...] = (SECRET,)
) -> Any:
    signed_at = int(time.time()) - age_s
    header = stripe.WebhookSignature.generate_signature_header(body, secret, signed_at)
    return verified(secrets, {"Stripe-Signature": header}, body.encode())


def test_a_webhook_is_known_by_stripes_signature() -> None:
    body = json.dumps(event("ping"))
    assert sent(body)["id"] == "evt_1"
    assert sent(body, secrets=("whsec_next", SECRET))["id"] == "evt_1"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "whsec_another"}, "invalid_signature"),
        ({"age_s": 400}, "stale_callback"),
    ],
)
def test_a_webhook_of_somebody_else_or_another_time_is_refused(
    changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Unauthenticated) as no:
        sent(json.dumps(event("ping")), **changes)
    assert no.value.code == code


@pytest.mark.parametrize("header", ["", "t=1", "v1=a", "t=x,v1=a", "t=4102444800,v1=a"])
def test_a_webhook_without_a_signature_is_refused(header: str) -> None:
    for body in (b"{}", b"\xff"):
        with pytest.raises(Unauthenticated) as no:
            verified([SECRET], {"stripe-signature": header}, body)
        assert no.value.code == "invalid_signature"


def test_without_a_secret_no_webhook_is_taken() -> None:
    with pytest.raises(ConfigurationError, match="PERDURE_STRIPE_CALLBACK_SECRETS"):
        verified([], {}, b"{}")


@pytest.mark.parametrize("body", ["{}", "[]", "no", '{"id": "e", "type": "t", "data": {}}'])
def test_what_is_signed_and_no_event_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput) as no:
        sent(body)
    assert no.value.code == "malformed_callback"


CHARGE = {"id": "pi_1", "amount": 125_000, "status": "processing"}


@pytest.mark.parametrize(
    ("kind", "told", "ours", "says"),
    [
        (
            "payment_intent.succeeded",
            CHARGE | {"status": "succeeded", "amount_received": 125_000},
            "charge.succeeded",
            ("succeeded", None),
        ),
        (
            "payment_intent.payment_failed",
            CHARGE
            | {
                "status": "requires_payment_method",
                "last_payment_error": {"code": "card_declined", "decline_code": "lost_card"},
            },
            "charge.failed",
            ("failed", "lost_card"),
        ),
        (
            "payment_intent.canceled",
            CHARGE | {"status": "canceled"},
            "charge.failed",
            ("cancelled", None),
        ),
        ("payment_intent.processing", CHARGE, "charge.processing", ("pending", None)),
    ],
)
def test_how_a_payment_intent_stands_is_told_as_our_callback(
    kind: str, told: dict[str, Any], ours: str, says: tuple[str, str | None]
) -> None:
    found = event_in(event(kind, **told), "pay_1")
    assert (found.event_id, found.type) == ("evt_1", ours)
    assert (found.told.id, found.told.reference) == ("pi_1", "pay_1")
    assert (found.told.amount_minor, found.told.currency) == (1250, "ISK")
    assert (found.told.status, found.told.failure_code) == says


def test_what_happened_to_a_charge_goes_to_its_trail() -> None:
    refunded = event_in(
        event("charge.refunded", id="ch_1", amount=1000, amount_refunded=400), "pay_1"
    )
    assert not refunded.is_confirmation
    assert (refunded.type, refunded.told.refunded_minor) == ("charge.refunded", 4)
    disputed = event_in(
        event("charge.dispute.created", id="dp_1", status="needs_response", reason="fraudulent"),
        "pay_1",
    )
    assert (disputed.type, disputed.told.reason) == ("charge.dispute.created", "fraudulent")


@pytest.mark.parametrize(
    ("kind", "reference"),
    # The first has our own type's name, and is another thing.
    [
        ("charge.succeeded", "pay_1"),
        ("customer.created", "pay_1"),
        ("payment_intent.succeeded", None),
    ],
)
def test_what_is_not_ours_is_kept_under_stripes_name(kind: str, reference: str | None) -> None:
    found = event_in(event(kind, **CHARGE), reference)
    assert (found.type, found.is_confirmation) == (f"stripe.{kind}", False)
