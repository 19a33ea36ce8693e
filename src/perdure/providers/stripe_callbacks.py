"""Stripe's webhooks: who sent them, by its own signature, and what they tell in our words.

| Stripe's event                    | ours                                                      |
|-----------------------------------|-----------------------------------------------------------|
| `payment_intent.succeeded`        | `charge.succeeded`                                        |
| `payment_intent.payment_failed`   | `charge.failed`                                           |
| `payment_intent.canceled`         | `charge.failed`, with the status `cancelled`              |
| `payment_intent.processing`       | `charge.processing`, for the payment's trail              |
| `charge.refunded`                 | the same                                                  |
| `charge.dispute.…`                | the same                                                  |
| any other, or of somebody else's  | `stripe.…`, kept                                          |
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import stripe

from perdure.core.errors import ConfigurationError, InvalidInput
from perdure.providers.gateway_callbacks import GatewayEvent, event_of
from perdure.providers.signed_callbacks import TOLERANCE_S, invalid_signature, stale_callback
from perdure.providers.stripe_money import from_stripe
from perdure.providers.stripe_objects import failure_code_of, status_of

_TYPES: Final = {
    "payment_intent.succeeded": "charge.succeeded",
    "payment_intent.payment_failed": "charge.failed",
    "payment_intent.canceled": "charge.failed",
    "payment_intent.processing": "charge.processing",
}
_ABOUT_A_CHARGE: Final = ("charge.refunded", "charge.dispute.")


def verified(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Check a webhook's signature; returns Stripe's event.

    Raises:
        Unauthenticated: `invalid_signature`, `stale_callback`.
        InvalidInput: `malformed_callback`: it is signed, and no event.
        ConfigurationError: There is no secret.
    """
    if not secrets:
        raise ConfigurationError(
            "No secret is set to check Stripe's webhooks with; set"
            " PERDURE_STRIPE_CALLBACK_SECRETS.",
            param="PERDURE_STRIPE_CALLBACK_SECRETS",
        )
    header = {name.lower(): value for name, value in headers.items()}.get("stripe-signature", "")
    if not any(_is_signed(body, header, secret, tolerance_s=None) for secret in secrets):
        raise invalid_signature()
    if not any(_is_signed(body, header, secret, tolerance_s=TOLERANCE_S) for secret in secrets):
        raise stale_callback()
    try:
        event = json.loads(body)
        event["id"], event["type"], event["data"]["object"]["object"]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            "The callback is signed, but not an event of Stripe's.", code="malformed_callback"
        ) from error
    return dict(event)


def event_in(event: Mapping[str, Any], reference: str | None) -> GatewayEvent:
    """Return what an event of Stripe's tells.

    Args:
        reference: Ours, of the charge it is about; None: it is about nothing of ours.

    Raises:
        InvalidInput: `malformed_callback`.
    """
    said, told = event["type"], event["data"]["object"]
    if reference is None or not (said in _TYPES or said.startswith(_ABOUT_A_CHARGE)):
        return event_of(event["id"], f"stripe.{said}", {})
    data = _of_intent(told) if said in _TYPES else _of_what_happened(told)
    return event_of(event["id"], _TYPES.get(said, said), {**data, "reference": reference})


def _of_intent(intent: Mapping[str, Any]) -> dict[str, Any]:
    currency = str(intent.get("currency", "")).upper()
    succeeded = intent.get("status") == "succeeded"
    amount = intent.get("amount_received" if succeeded else "amount")
    error = intent.get("last_payment_error")
    return {
        "id": intent.get("id"),
        "amount_minor": from_stripe(amount, currency) if isinstance(amount, int) else None,
        "currency": currency,
        "status": status_of(str(intent.get("status")), error),
        "failure_code": failure_code_of(error),
    }


def _of_what_happened(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a charge that was given back, or is disputed."""
    currency = str(told.get("currency", "")).upper()
    amounts = {"amount_minor": told.get("amount"), "refunded_minor": told.get("amount_refunded")}
    known: dict[str, Any] = {
        name: from_stripe(amount, currency)
        for name, amount in amounts.items()
        if isinstance(amount, int)
    }
    for name in ("id", "status", "reason"):
        if isinstance(told.get(name), str):
            known[name] = told[name]
    return known | {"currency": currency}


def _is_signed(body: bytes, header: str, secret: str, *, tolerance_s: int | None) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance_s)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True
