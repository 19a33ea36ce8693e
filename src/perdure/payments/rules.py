"""A payment's decisions, without effects."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from perdure.core.errors import (
    Conflict,
    PerdureError,
    ProviderDeclined,
    Refused,
)
from perdure.core.money import AmountLimit
from perdure.core.requests import check_amount
from perdure.core.text import check_text
from perdure.fraud.contracts import FraudCheck
from perdure.notifications.rules import check_party
from perdure.payments.contracts import ChargeOutcome, GatewayCallback, PaymentInput, PaymentRequest


@dataclass(frozen=True, slots=True)
class PaymentLimits:
    """The house's limits.

    Args:
        amount: The most one payment moves.
        daily: The most a customer pays a day.
    """

    amount: AmountLimit = field(default_factory=lambda: AmountLimit(1_000_000))
    daily: AmountLimit = field(default_factory=AmountLimit)


def check_request(request: PaymentRequest) -> PaymentRequest:
    """Return a request as it is kept; refuse one that can never become a payment.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    return replace(
        check_amount(request),
        payment_method=check_text("payment_method", request.payment_method),
        payer=check_party("payer", request.payer),
        payee=check_party("payee", request.payee),
    )


def check_limits(request: PaymentRequest, limits: PaymentLimits) -> None:
    """Refuse a payment of more than one may move.

    Raises:
        LimitExceeded: `amount_over_limit`.
    """
    limits.amount.check(request.amount_minor, request.currency, what="payment")


def confirmed_by(
    payment: PaymentInput, made: ChargeOutcome, told: Iterable[GatewayCallback]
) -> ChargeOutcome | None:
    """Return what can be taken of what callbacks told, without asking the gateway.

    That is a success which agrees in everything with the charge that was made; None: there is none.
    """
    request = payment.request
    agreed = (made.charge_id, payment.operation_id, request.amount_minor, request.currency)
    for callback in told:
        charge = callback.charge
        said = (charge.charge_id, callback.reference, callback.amount_minor, callback.currency)
        is_success = (callback.type, charge.status) == ("charge.succeeded", "succeeded")
        if is_success and said == agreed:
            return charge
    return None


def check_confirmed(charge: ChargeOutcome) -> None:
    """Let a charge pass that brought the money.

    Raises:
        ProviderDeclined: It failed at the gateway, or was cancelled because nothing confirmed it.
    """
    if charge.status == "succeeded":
        return
    if charge.status == "failed":
        raise ProviderDeclined(
            "The gateway could not collect the payment.",
            code=charge.failure_code or "charge_failed",
        )
    raise ProviderDeclined(
        "The gateway did not confirm the payment in time, so it was called off.",
        code="not_confirmed",
    )


def fraud_check_of(payment: PaymentInput) -> FraudCheck:
    """Return what the fraud service is asked of a payment."""
    request = payment.request
    return FraudCheck(
        payment.operation_id,
        request.customer_id,
        request.amount_minor,
        request.currency,
        request.payment_method,
    )


def check_fraud(passed: bool) -> None:
    """Let a payment pass that the fraud check passed.

    Raises:
        Refused: `fraud_suspected`.
    """
    if not passed:
        raise Refused("The payment was refused by the fraud check.", code="fraud_suspected")


def has_to_be_undone(error: PerdureError, *, is_held: bool) -> bool:
    """Whether the gateway may have charged, in this run, an earlier one or a lane.

    A charge the gateway refused did nothing. Once the money is set aside, a lane or an earlier run
    may have charged already, whatever the fraud check says now; only a hold that was refused says
    that none has. Releasing it is no part of undoing: closing the payment does it, in the same
    commit as the status.

    Args:
        is_held: The money was set aside.
    """
    may_have_begun = is_held or isinstance(error, Conflict)
    return may_have_begun and not isinstance(error, ProviderDeclined)
