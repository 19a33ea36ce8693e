"""What payer and payee are told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import failure_told, messages_to
from perdure.payments.contracts import ClosePayment, PaymentInput


def success_messages(payment: PaymentInput) -> list[Message]:
    """Return what both are told of a payment that succeeded."""
    request = payment.request
    amount = format_amount(request.amount_minor, request.currency)
    return [
        *messages_to(
            "payer",
            request.payer,
            f"You paid {amount}",
            f"{amount} went to {request.payee.name or 'the payee'}.",
            reference=request.reference,
        ),
        *messages_to(
            "payee",
            request.payee,
            f"You received {amount}",
            f"{amount} is on its way to you.",
            reference=request.reference,
        ),
    ]


def failure_messages(given: ClosePayment) -> list[Message]:
    """Return what the payer is told of a payment that did not come about.

    The payee never heard of it.
    """
    request = given.payment.request
    amount = format_amount(request.amount_minor, request.currency)
    subject, body = failure_told(f"Your payment of {amount}", given.failure)
    return messages_to("payer", request.payer, subject, body, reference=request.reference)
