"""Whom a message can reach."""

from dataclasses import replace
from typing import Final, Protocol, TypeVar

from perdure.core.addresses import check_mail_address, check_phone_number
from perdure.core.requests import AmountRequest, check_amount
from perdure.core.text import check_optional_text
from perdure.notifications.contracts import Channel, Message, Party

NOTHING_TAKEN: Final = "Nothing was taken from your account."


class CustomersRequest(Protocol):
    """A request whose customer is told of it."""

    @property
    def customer(self) -> Party: ...  # noqa: D102
    @property
    def reference(self) -> str | None: ...  # noqa: D102


class PaidRequest(AmountRequest, CustomersRequest, Protocol):
    """A request of an amount, whose customer is told of it."""


PaidFor = TypeVar("PaidFor", bound=PaidRequest)


class Reason(Protocol):
    """Why something did not come about."""

    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def cancelled(self) -> bool: ...  # noqa: D102


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


def check_paid_request(request: PaidFor) -> PaidFor:
    """Return a request of an amount, whose customer is told, as it is kept.

    Raises:
        InvalidInput: Names the field.
    """
    return replace(check_amount(request), customer=check_party("customer", request.customer))


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


def to_customer(request: CustomersRequest, subject: str, body: str) -> list[Message]:
    """Return the messages to a customer about what they asked for."""
    return messages_to("customer", request.customer, subject, body, reference=request.reference)


def failure_to_customer(
    request: CustomersRequest,
    what: str,
    why: Reason,
    still: str = NOTHING_TAKEN,
    *,
    words: tuple[str, str] = ("failed", "was cancelled"),
) -> list[Message]:
    """Return the messages that tell a customer that something did not come about.

    Args:
        what: What it was, as the subject begins: `Your transfer of USD 12.50`.
        still: What is so, although it did not.
        words: What became of it: by itself, and where somebody called it off.
    """
    return to_customer(request, *failure_told(what, why, still, words=words))


def failure_told(
    what: str,
    why: Reason,
    still: str = NOTHING_TAKEN,
    *,
    words: tuple[str, str] = ("failed", "was cancelled"),
) -> tuple[str, str]:
    """Return the subject and the body of a message that says that something did not come about.

    Why somebody cancelled it is on its trail: an operator's words are not for the customer.

    It is given what `failure_to_customer` is.
    """
    failed, cancelled = words
    subject = f"{what} {cancelled if why.cancelled else failed}"
    return subject, still if why.cancelled else f"{why.message} {still}"
