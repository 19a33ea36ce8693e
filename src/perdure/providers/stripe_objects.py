"""What Stripe tells of a PaymentIntent and a Refund, in our words."""

from dataclasses import dataclass, field
from typing import Any, Final

from perdure.providers.gateway import Charge, Refund
from perdure.providers.stripe_money import from_stripe

REFERENCE: Final = "perdure_reference"
"""The name of our reference in Stripe's metadata."""

_STATUSES: Final = {"succeeded": "succeeded", "processing": "pending", "canceled": "cancelled"}
"""Those that we have a word for; any other parks what meets it, under its own name."""


@dataclass(frozen=True, slots=True)
class LatestCharge:
    """The latest attempt to collect."""

    amount_refunded: int = 0


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent.

    Args:
        amount: In Stripe's units, as is `amount_received`.
        latest_charge: Its id alone, where it was not asked for.
    """

    id: str
    amount: int
    currency: str
    status: str
    created: int = 0
    amount_received: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    latest_charge: LatestCharge | str | None = None
    last_payment_error: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nobody can confirm it any more."""
        return self.status in {"succeeded", "canceled"}


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """A Refund.

    Args:
        payment_intent: What it gives back; None: something that was no PaymentIntent.
    """

    id: str
    amount: int
    currency: str
    status: str | None
    metadata: dict[str, str] = field(default_factory=dict)
    payment_intent: str | None = None

    @property
    def gives_back(self) -> bool:
        """Whether the money is the payer's again, or on its way."""
        return self.status not in {"failed", "canceled"}


def charge_of(intent: Intent) -> Charge:
    """Return a PaymentIntent as the charge it is to us."""
    currency = intent.currency.upper()
    charged = intent.latest_charge
    refunded = charged.amount_refunded if isinstance(charged, LatestCharge) else 0
    succeeded = intent.status == "succeeded"
    return Charge(
        id=intent.id,
        reference=intent.metadata.get(REFERENCE, ""),
        amount_minor=from_stripe(intent.amount_received if succeeded else intent.amount, currency),
        currency=currency,
        status=status_of(intent.status, intent.last_payment_error),
        failure_code=failure_code_of(intent.last_payment_error),
        refunded_minor=from_stripe(refunded, currency),
    )


def status_of(status: str, last_payment_error: dict[str, Any] | None) -> str:
    """Return a PaymentIntent's status in our words, or in Stripe's where we have none."""
    if status == "requires_payment_method" and last_payment_error:
        return "failed"
    return _STATUSES.get(status, status)


def failure_code_of(last_payment_error: dict[str, Any] | None) -> str | None:
    """Return why it failed: the bank's word, or Stripe's."""
    error = last_payment_error or {}
    said = error.get("decline_code") or error.get("code")
    return str(said) if said else None


def refund_of(refund: StripeRefund, charge: Intent) -> Refund:
    """Return a Refund of Stripe's as ours."""
    currency = refund.currency.upper()
    return Refund(
        id=refund.id,
        reference=refund.metadata.get(REFERENCE, ""),
        charge_id=charge.id,
        amount_minor=from_stripe(refund.amount, currency),
        currency=currency,
        status=refund.status or "",
    )
