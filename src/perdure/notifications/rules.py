"""Whom a message can reach."""

from perdure.core.errors import InvalidInput
from perdure.core.text import check_length
from perdure.notifications.contracts import Channel, Message, Party


def check_party(param: str, party: Party) -> None:
    """Refuse somebody whom no message would reach the way they are written.

    Raises:
        InvalidInput: Names the field.
    """
    check_length(f"{param}.name", party.name)
    email = party.email
    # Only what would break the mail itself; whether the address exists shows when it is used.
    if email is not None and (
        email.count("@") != 1
        or not all(email.split("@"))
        or any(character.isspace() for character in email)
    ):
        raise InvalidInput(
            f"{email!r} is not a mail address; one looks like ada@example.com.",
            param=f"{param}.email",
        )
    phone = party.phone
    if phone is not None and not (phone.startswith("+") and phone[1:].isdigit()):
        raise InvalidInput(
            f"{phone!r} is not a phone number in E.164 form; one looks like +33123456789.",
            param=f"{param}.phone",
        )


def messages_to(audience: str, party: Party, subject: str, body: str) -> list[Message]:
    """Return a message for each way there is of telling them."""
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
