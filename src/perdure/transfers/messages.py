"""What the customer is told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import messages_to, reason_told
from perdure.transfers.contracts import CloseTransfer, TransferInput


def success_messages(transfer: TransferInput) -> list[Message]:
    """Return what the customer is told of a transfer that succeeded."""
    request = transfer.request
    amount = format_amount(request.amount_minor, request.currency)
    return messages_to(
        "customer",
        request.customer,
        f"You transferred {amount}",
        f"{amount} is on its way to {request.destination}.",
        reference=request.reference,
    )


def failure_messages(given: CloseTransfer) -> list[Message]:
    """Return what the customer is told of a transfer that did not come about."""
    request, failure = given.transfer.request, given.failure
    amount = format_amount(request.amount_minor, request.currency)
    word = "was cancelled" if failure.cancelled else "failed"
    why = reason_told(failure.message, cancelled=failure.cancelled)
    return messages_to(
        "customer",
        request.customer,
        f"Your transfer of {amount} {word}",
        f"{why}Nothing was taken from your account.",
        reference=request.reference,
    )
