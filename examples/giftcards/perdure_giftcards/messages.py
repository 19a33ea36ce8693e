"""What the customer is told."""

from perdure import (
    Message,
    format_amount,
    messages_to,
    reason_told,
)
from perdure_giftcards.contracts import CloseGiftcard, GiftcardInput


def success_messages(giftcard: GiftcardInput) -> list[Message]:
    """Return what the customer is told of a giftcard that succeeded."""
    request = giftcard.request
    amount = format_amount(request.amount_minor, request.currency)
    return messages_to(
        "customer",
        request.customer,
        f"Your giftcard for {amount}",
        f"Your giftcard ({request.item}) for {amount} is there.",
        reference=request.reference,
    )


def failure_messages(given: CloseGiftcard) -> list[Message]:
    """Return what the customer is told of a giftcard that did not come about."""
    request, failure = given.giftcard.request, given.failure
    amount = format_amount(request.amount_minor, request.currency)
    word = "was cancelled" if failure.cancelled else "failed"
    why = reason_told(failure.message, cancelled=failure.cancelled)
    return messages_to(
        "customer",
        request.customer,
        f"Your giftcard for {amount} {word}",
        f"{why}Nothing was taken from your account.",
        reference=request.reference,
    )
