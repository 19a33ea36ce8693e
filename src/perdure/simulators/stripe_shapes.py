"""What the simulated Stripe's answers and webhooks look like."""

import hashlib
import hmac
import json
import time
from typing import Any, Final

import aiohttp
from starlette.responses import JSONResponse, Response

from perdure.simulators.gateway_books import Charge, Event, GatewayBooks, Refund
from perdure.simulators.gateway_callbacks import Callbacks

_STATUSES: Final = {
    "pending": "processing",
    "cancelled": "canceled",
    "failed": "requires_payment_method",
}
_EVENTS: Final = {
    "charge.succeeded": "payment_intent.succeeded",
    "charge.failed": "payment_intent.payment_failed",
}


NO_REFERENCE: Final = "none"
"""In the books, that of what others charge at the same account."""


def charge_id_of(intent_id: str) -> str:
    """Return the id of a PaymentIntent's charge."""
    return f"ch{intent_id.removeprefix('pi')}"


def _intent_id_of(charge_id: str) -> str:
    return f"pi{charge_id.removeprefix('ch')}"


def intent_of(charge: Charge) -> dict[str, Any]:
    """Return a charge as the PaymentIntent it is of."""
    error = {"code": "card_declined", "decline_code": charge.failure_code}
    return {
        "id": _intent_id_of(charge.id),
        "object": "payment_intent",
        "amount": charge.amount_minor,
        "amount_received": charge.amount_minor if charge.status == "succeeded" else 0,
        "currency": charge.currency.lower(),
        "status": _STATUSES.get(charge.status, charge.status),
        "created": int(charge.created_at),
        "metadata": _metadata(charge),
        "last_payment_error": error if charge.failure_code else None,
        "latest_charge": _charge(charge),
    }


def refund_of(refund: Refund) -> dict[str, Any]:
    """Return a refund as Stripe tells of it."""
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount_minor,
        "currency": refund.currency.lower(),
        "status": refund.status,
        "created": int(refund.created_at),
        "payment_intent": _intent_id_of(refund.charge_id),
        "metadata": {"perdure_reference": refund.reference},
    }


def stripe_error(status: int, kind: str, message: str, **more: str) -> Response:
    """Return an error as Stripe writes it."""
    headers = {"Retry-After": "1"} if status == 429 else None
    body = {"error": {"type": kind, "message": message, **more}}
    return JSONResponse(body, status_code=status, headers=headers)


class StripeCallbacks(Callbacks):
    """Sends events as Stripe's webhooks, with its signature."""

    def __init__(self, books: GatewayBooks, client: aiohttp.ClientSession, secret: str) -> None:
        super().__init__(books, client, secret)
        self._secret = secret

    def body(self, event: Event, charge: Charge) -> str:
        """Return an event of Stripe's."""
        told = intent_of(charge) if event.type in _EVENTS else _charge(charge)
        if event.type.startswith("charge.dispute"):
            told = _dispute(charge)
        content = {
            "id": event.id,
            "object": "event",
            "type": _EVENTS.get(event.type, event.type),
            "created": int(event.occurred_at),
            "data": {"object": told},
        }
        return json.dumps(content)

    def headers(self, event: Event, body: str) -> dict[str, str]:  # noqa: ARG002 - it is in the body
        """Return who signed it (https://docs.stripe.com/webhooks/signature)."""
        now = int(time.time())
        signed = hmac.new(self._secret.encode(), f"{now}.{body}".encode(), hashlib.sha256)
        return {
            "content-type": "application/json",
            "stripe-signature": f"t={now},v1={signed.hexdigest()}",
        }


def _metadata(charge: Charge) -> dict[str, str]:
    is_ours = charge.reference != NO_REFERENCE
    return {"perdure_reference": charge.reference} if is_ours else {}


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "object": "charge",
        "payment_intent": _intent_id_of(charge.id),
        "amount": charge.amount_minor,
        "amount_refunded": charge.refunded_minor,
        "currency": charge.currency.lower(),
        "metadata": _metadata(charge),
    }


def _dispute(charge: Charge) -> dict[str, Any]:
    return {
        "id": f"dp{charge.id.removeprefix('ch')}",
        "object": "dispute",
        "payment_intent": _intent_id_of(charge.id),
        "charge": charge.id,
        "amount": charge.amount_minor,
        "currency": charge.currency.lower(),
        "reason": "fraudulent",
        "status": "needs_response" if charge.dispute == "open" else charge.dispute,
        "metadata": {},
    }
