"""A payment's decisions, without effects."""

from dataclasses import dataclass
from enum import StrEnum

from perdure.core.errors import (
    LimitExceeded,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    Refused,
)
from perdure.core.ids import ACCOUNT, check_id
from perdure.core.money import Money, format_amount
from perdure.core.text import check_length, check_text
from perdure.notifications.rules import check_party
from perdure.payments.contracts import (
    CHARGE,
    UNDO_CHARGE,
    ChargeOutcome,
    PaymentFailure,
    PaymentRequest,
)


class Step(StrEnum):
    """The steps that have to be undone once they began."""

    CHARGE = CHARGE


@dataclass(frozen=True, slots=True)
class PaymentLimits:
    """The house's limits, in minor units of the payment's currency."""

    amount_minor_max: int = 1_000_000
    daily_limit_minor: int | None = None


def check_request(request: PaymentRequest, limits: PaymentLimits) -> None:
    """Refuse a request that can never become a payment.

    Raises:
        InvalidInput: A field is missing or malformed.
        LimitExceeded: The amount is over the limit of one payment.
    """
    money = Money(request.amount_minor, request.currency)
    check_text("customer_id", request.customer_id)
    check_text("payment_method", request.payment_method)
    check_id(request.account_id, ACCOUNT, param="account_id")
    if request.reference is not None:
        check_text("reference", request.reference)
    check_length("description", request.description)
    check_party("payer", request.payer)
    check_party("payee", request.payee)
    if money.amount_minor > limits.amount_minor_max:
        most = format_amount(limits.amount_minor_max, money.currency)
        raise LimitExceeded(
            f"One payment moves at most {most}; split it or ask for a higher limit.",
            code="amount_over_limit",
            param="amount_minor",
        )


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


def check_fraud(passed: bool) -> None:
    """Let a payment pass that the fraud check passed.

    Raises:
        Refused: `fraud_suspected`.
    """
    if not passed:
        raise Refused("The payment was refused by the fraud check.", code="fraud_suspected")


def failure_of(error: PerdureError) -> PaymentFailure:
    """Return an error as the reason a payment is closed for."""
    return PaymentFailure(
        error.code, error.message, isinstance(error, OperationCancelled), error.param
    )


def compensation_plan(begun: list[Step], error: PerdureError) -> list[str]:
    """Return the activities that undo what began, the last first.

    A charge the gateway refused did nothing, so there is nothing to undo; any other end may leave
    money with it. Releasing the hold is not in the plan: closing the payment does it, in the same
    commit as the status.
    """
    undo = {Step.CHARGE: UNDO_CHARGE}
    refused_by_gateway = isinstance(error, ProviderDeclined)
    return [undo[step] for step in reversed(begun) if not refused_by_gateway]
