"""Whom a message can reach."""

from perdure.core.addresses import check_mail_address, check_phone_number
from perdure.core.text import check_optional_text
from perdure.notifications.contracts import Channel, Message, Party


def check_party(param: str, party: Party) -> Party:
    """Return somebody as they are kept; refuse whom no message would reach.

    Raises:
        InvalidInput: Names the field.
    """
    name, email, phone = check_optional_text(f"{param}.name", party.name), party.email, party.phone
    if email is not None:
        email = check_mail_address(f"{param}.email", email)
    if phone is not None:
        phone = check_phone_number(f"{param}.phone", phone)
    return Party(name, email, phone)


def messages_to(
    audience: str, party: Party, subject: str, body: str, *, reference: str | None
) -> list[Message]:
    """Return a message for each way there is of telling them.

    Args:
        reference: The caller's own name for what they are told of; None: it has none.
    """
    if reference is not None:
        subject, body = f"{subject} ({reference})", f"{body} Reference: {reference}"
    ways = ((Channel.EMAIL, party.email), (Channel.SMS, party.phone))
    return [
        Message(audience, channel, recipient, subject, body)
        for channel, recipient in ways
        if recipient is not None
    ]


def reason_told(message: str, *, cancelled: bool) -> str:
    """Return what a message begins with to say why something did not come about.

    Why somebody cancelled it is on its trail: an operator's words are not for the customer.
    """
    return "" if cancelled else f"{message} "
