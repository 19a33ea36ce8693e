"""What the customer is told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import messages_to, reason_told
from perdure.refunds.contracts import RefundFailure, RefundInput


def success_messages(refund: RefundInput) -> list[Message]:
    """Return what the customer is told of a refund that succeeded."""
    request = refund.request
    amount = format_amount(request.amount_minor, request.currency)
    return messages_to(
        "customer",
        request.customer,
        f"You got {amount} back",
        f"Your {request.kind} {request.refund_of} was refunded: {amount} is back on your account.",
        reference=request.reference,
    )


def failure_messages(refund: RefundInput, failure: RefundFailure) -> list[Message]:
    """Return what the customer is told of a refund that did not come about."""
    request = refund.request
    amount = format_amount(request.amount_minor, request.currency)
    word = "was called off" if failure.cancelled else "was refused"
    why = reason_told(failure.message, cancelled=failure.cancelled)
    return messages_to(
        "customer",
        request.customer,
        f"The refund of {amount} {word}",
        f"{why}Your {request.kind} {request.refund_of} stands.",
        reference=request.reference,
    )
