"""What the customer is told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import failure_to_customer, to_customer
from perdure.refunds.contracts import RefundFailure, RefundInput


def success_messages(refund: RefundInput) -> list[Message]:
    """Return what the customer is told of a refund that succeeded."""
    request = refund.request
    amount = format_amount(request.amount_minor, request.currency)
    return to_customer(
        request,
        f"You got {amount} back",
        f"Your {request.kind} {request.refund_of} was refunded: {amount} is back on your account.",
    )


def failure_messages(refund: RefundInput, failure: RefundFailure) -> list[Message]:
    """Return what the customer is told of a refund that did not come about."""
    request = refund.request
    amount = format_amount(request.amount_minor, request.currency)
    return failure_to_customer(
        request,
        f"The refund of {amount}",
        failure,
        f"Your {request.kind} {request.refund_of} stands.",
        words=("was refused", "was called off"),
    )
