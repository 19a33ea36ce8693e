"""What payer and payee are told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Channel, Message
from perdure.payments.contracts import Party, PaymentFailure, PaymentInput


def success_messages(payment: PaymentInput) -> list[Message]:
    """Return what both are told of a payment that succeeded."""
    amount = format_amount(payment.request.amount_minor, payment.request.currency)
    payee = payment.request.payee.name or "the payee"
    return [
        *_to("payer", payment.request.payer, f"You paid {amount}", f"{amount} went to {payee}."),
        *_to(
            "payee",
            payment.request.payee,
            f"You received {amount}",
            f"{amount} is on its way to you.",
        ),
    ]


def failure_messages(payment: PaymentInput, failure: PaymentFailure) -> list[Message]:
    """Return what the payer is told of a payment that did not come about.

    The payee never heard of it.
    """
    amount = format_amount(payment.request.amount_minor, payment.request.currency)
    word = "was cancelled" if failure.cancelled else "failed"
    return _to(
        "payer",
        payment.request.payer,
        f"Your payment of {amount} {word}",
        f"{failure.message} Nothing was taken from your account.",
    )


def _to(audience: str, party: Party, subject: str, body: str) -> list[Message]:
    ways = ((Channel.EMAIL, party.email), (Channel.SMS, party.phone))
    return [
        Message(audience, channel, recipient, subject, body)
        for channel, recipient in ways
        if recipient is not None
    ]
