"""What the notification service is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from perdure.core.notes import Note

WORKFLOW: Final = "Notification"
DELIVER: Final = "notification.deliver"
DELIVER_FIRST_TRY: Final = "notification.deliver_at_once"


Deliver = Callable[[list[str]], Awaitable[list[str]]]
"""Delivers messages at once, by id; returns those that could not be."""


class Channel(StrEnum):
    """How somebody is told."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who is told how an operation ended; each way of telling them is optional."""

    name: Annotated[str, Note(personal=True)] = ""
    email: Annotated[str | None, Note(personal=True)] = None
    phone: Annotated[
        str | None, Note("In E.164 form.", examples=["+33123456789"], personal=True)
    ] = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message owed.

    Args:
        audience: Who is told: `payer`, `payee`. One message per audience and channel of an
            operation.
        recipient: A mail address or a phone number.
        html: The same and more, in a mail; empty: the body is all.
    """

    audience: str
    channel: Channel
    recipient: str
    subject: str
    body: str
    html: str = ""


def workflow_id(notification_id: str) -> str:
    """Return the id of the workflow that goes on trying to deliver."""
    return f"{notification_id}-delivery"
