"""Mail, over SMTP."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final, Protocol

import aiohttp
import aiosmtplib
from pydantic import TypeAdapter

from perdure.core.addresses import check_mail_address
from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.core.identity import MAIL
from perdure.providers.http import ProviderHttp


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person.

    Args:
        message_id: `<…@…>`; the same on every attempt, by which repeats are known.
        sender: The address in From, and of the envelope.
    """

    message_id: str
    to: str
    subject: str
    text: str
    sender: str


class MailSender(Protocol):
    """What Perdure needs of a mail server."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail over.

        Raises:
            Refused: `mail_rejected`: the server will not take this, ever.
            ProviderUnavailable: Not taken; try again later.
            ProviderOutcomeUnknown: It may have been taken; `was_sent` may tell.
        """
        ...

    async def was_sent(self, message_id: str) -> bool | None:
        """Ask whether a mail was taken; None: this server cannot tell.

        Raises:
            ProviderUnavailable, ProviderRateLimited: Ask again later.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Message:
    message_id: str


@dataclass(frozen=True, slots=True)
class _Page:
    data: list[_Message]


_MESSAGES: Final = TypeAdapter(_Page)

_SEPARATORS: Final = {0x2028: " ", 0x2029: " "}
"""Of lines and paragraphs: a text may hold them, a header is one line."""

_SEVEN_BIT: Final = SMTP_POLICY.clone(cte_type="7bit")
"""What every server takes: other letters are encoded, so that no extension has to be asked for."""


class SmtpMailSender:
    """A mail server over SMTP, with STARTTLS where it offers it.

    Args:
        host: The server.
        port: Its port.
        timeout_s: The longest wait for the connection, and for each reply, in seconds.
        inquiry: The HTTP API that tells which mails the server took; None: it has none.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float = 10.0,
        inquiry: aiohttp.ClientSession | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._inquiry = (
            ProviderHttp(inquiry, "The mail server", simulated_by=MAIL) if inquiry else None
        )

    async def send(self, mail: Mail) -> None:
        """Hand a mail over; see `MailSender.send`."""
        mail = replace(mail, to=_address(mail.to))
        content = _compose(mail)
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout_s,
            local_hostname=mail.sender.rpartition("@")[2],
        )
        try:
            await self._open_envelope(client, mail)
            await self._transfer(client, content)
        finally:
            # Without QUIT: the reply that counts is there, and a slow farewell must not undo it.
            client.close()

    async def was_sent(self, message_id: str) -> bool | None:
        """Ask whether a mail was taken; see `MailSender.was_sent`."""
        if self._inquiry is None:
            return None
        params = {"message_id": message_id}
        page = await self._inquiry.read("/v1/messages", _MESSAGES, params=params)
        if page.data and all(found.message_id != message_id for found in page.data):
            raise ProviderUnavailable("The mail server told of other mails than it was asked for.")
        return bool(page.data)

    async def _open_envelope(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        """Connect and name both ends; whatever fails up to here, no mail was taken."""
        try:
            await client.connect()
            await client.mail(mail.sender)
            await client.rcpt(mail.to)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused) as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise ProviderUnavailable(
                f"The mail server cannot be reached ({type(error).__name__}); try again later."
            ) from error

    async def _transfer(self, client: aiosmtplib.SMTP, content: bytes) -> None:
        """Send the content; without a reply nobody knows whether it was taken."""
        try:
            await client.data(content)
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise ProviderOutcomeUnknown(
                f"The mail server did not reply ({type(error).__name__}); ask it before trying"
                " again."
            ) from error


def _address(to: str) -> str:
    # Checked when it came in; but by an older rule, perhaps.
    try:
        return check_mail_address("to", to)
    except InvalidInput as error:
        raise Refused(error.message, code="mail_rejected") from error


def _compose(mail: Mail) -> bytes:
    message = EmailMessage(_SEVEN_BIT)
    try:
        message["Message-ID"] = mail.message_id
        message["Date"] = format_datetime(datetime.now(UTC))
        message["From"] = mail.sender
        message["To"] = mail.to
        message["Subject"] = mail.subject.translate(_SEPARATORS)
        message.set_content(mail.text)
        return message.as_bytes()
    except ValueError as error:  # a line break in a header, for one: no server would take it
        raise Refused(f"The mail cannot be written: {error}.", code="mail_rejected") from error


def _refusal(error: aiosmtplib.SMTPResponseException) -> PerdureError:
    """Tell "not now" (4xx) from "never" (5xx), as RFC 5321 section 4.2.1 does."""
    said = f"{error.code} {error.message}"
    if 500 <= error.code < 600:
        return Refused(f"The mail server will not take this: {said}.", code="mail_rejected")
    return ProviderUnavailable(f"The mail server did not take this now: {said}.")
