"""Mail, over SMTP."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal, Protocol, Self

import aiohttp
import aiosmtplib
from pydantic import Field, SecretStr, TypeAdapter, model_validator

from perdure.core.addresses import check_mail_address
from perdure.core.errors import (
    CREDENTIALS_REFUSED,
    InvalidInput,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.core.ports import LOOPBACK
from perdure.core.settings import EnvironmentSettings
from perdure.providers.choice import Role
from perdure.providers.credentials import HttpSettings, tls_context
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.simulator import Listener, Ports, Simulator, url_at


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person.

    Args:
        message_id: `<…@…>`; the same on every attempt, by which repeats are known.
        sender: The address in From, and of the envelope.
        html: The same and more, for who shows it; empty: the text is all.
    """

    message_id: str
    to: str
    subject: str
    text: str
    sender: str
    html: str = ""


class Mailer(Protocol):
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

    async def check(self) -> None:
        """See whether the server would take a mail of ours; sends none.

        Raises:
            ProviderUnavailable: It would not, now.
        """
        ...


def _where_mails_go(ports: Ports) -> Mapping[str, str]:
    inquiry = ports.get("mail_inquiry_port")
    return {
        "host": LOOPBACK,
        "port": str(ports["mail_port"]),
        **({"inquiry_url": url_at(inquiry)} if inquiry else {}),
    }


MAIL_ROLE: Final[Role[Mailer]] = Role(
    "mail",
    Mailer,
    {"smtp": "perdure.providers.mail:SmtpMailer"},
    default="smtp",
    ask=lambda mailer: mailer.check(),
    located_by="host",
    simulator=Simulator(
        name="mail",
        commands={"mail": "perdure.simulators.commands:mail"},
        listens=(
            Listener("mail_inquiry_port", 8103, is_optional=True),
            Listener("mail_port", 8125, "--smtp-port", is_http=False),
        ),
        settings=_where_mails_go,
    ),
)

Encryption = Literal["offered", "starttls", "implicit", "off"]


class SmtpSettings(EnvironmentSettings):
    """Where a mail server is, and how it knows us.

    Args:
        inquiry_url: The HTTP API that tells which mails it took; None: it has none. Its credentials
            are `PERDURE_MAIL_INQUIRY_API_KEY` and so on, as any HTTP API's.
        user, password: Of the account that sends.
        tls: `starttls`, `implicit` (TLS from the first byte, often on port 465), `off`, or
            `offered`: STARTTLS where the server has it, and always where there is a password.
        ca: A file in PEM: who signed the server's certificate; nobody else is trusted then.
    """

    host: str
    port: int = Field(default=25, ge=1, le=65535)
    inquiry_url: str | None = None
    user: str | None = None
    password: SecretStr | None = None
    tls: Encryption = "offered"
    ca: Path | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("USER and PASSWORD go together")
        return self


@dataclass(frozen=True, slots=True)
class _Message:
    message_id: str


@dataclass(frozen=True, slots=True)
class _Page:
    data: list[_Message]


_MESSAGES: Final = TypeAdapter(_Page)

_INQUIRY: Final = "PERDURE_MAIL_INQUIRY_"

_SEPARATORS: Final = {0x2028: " ", 0x2029: " "}
"""Of lines and paragraphs: a text may hold them, a header is one line."""

_SEVEN_BIT: Final = SMTP_POLICY.clone(cte_type="7bit")
"""What every server takes: other letters are encoded, so that no extension has to be asked for."""


class SmtpMailer:
    """A mail server over SMTP.

    Args:
        host: The server.
        port: Its port.
        timeout_s: The longest wait for the connection, and for each reply, in seconds.
        inquiry: The HTTP API that tells which mails the server took; None: it has none.
        user, password: Of the account that sends; None: it asks for none.
        tls: As in `SmtpSettings`.
        trusted: How its certificate is checked; None: as everybody does.
    """

    settings_type = SmtpSettings

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float = 10.0,
        inquiry: aiohttp.ClientSession | None = None,
        user: str | None = None,
        password: SecretStr | None = None,
        tls: Encryption = "offered",
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._user = user
        self._password = password
        self._tls = tls
        self._trusted = trusted
        self._inquiry = (
            ProviderHttp(inquiry, "The mail server", simulated_by=MAIL_ROLE.simulated_as())
            if inquiry
            else None
        )

    @classmethod
    def from_settings(cls, settings: SmtpSettings, host: ProviderHost) -> Self:
        """Return the server at an address."""
        host.address = f"smtp://{settings.host}:{settings.port}"
        inquiry_url, trusted = settings.inquiry_url, tls_context(ca=settings.ca)
        return cls(
            settings.host,
            settings.port,
            timeout_s=host.timeout_s,
            inquiry=host.http(HttpSettings.read(prefix=_INQUIRY, url=inquiry_url))
            if inquiry_url
            else None,
            user=settings.user,
            password=settings.password,
            tls=settings.tls,
            trusted=trusted if isinstance(trusted, ssl.SSLContext) else None,
        )

    async def send(self, mail: Mail) -> None:
        """Hand a mail over; see `Mailer.send`."""
        mail = replace(mail, to=_address(mail.to))
        content = _compose(mail)
        client = self._client(local_hostname=mail.sender.rpartition("@")[2])
        try:
            await self._connect(client)
            await self._open_envelope(client, mail)
            await self._transfer(client, content)
        finally:
            # Without QUIT: the reply that counts is there, and a slow farewell must not undo it.
            client.close()

    async def was_sent(self, message_id: str) -> bool | None:
        """Ask whether a mail was taken; see `Mailer.was_sent`."""
        if self._inquiry is None:
            return None
        params = {"message_id": message_id}
        page = await self._inquiry.read("/v1/messages", _MESSAGES, params=params)
        if page.data and all(found.message_id != message_id for found in page.data):
            raise ProviderUnavailable("The mail server told of other mails than it was asked for.")
        return bool(page.data)

    async def check(self) -> None:
        """Connect and log in, as `send` does; see `Mailer.check`."""
        client = self._client(local_hostname=None)
        try:
            await self._connect(client)
        finally:
            client.close()

    def _client(self, *, local_hostname: str | None) -> aiosmtplib.SMTP:
        # A password goes over no connection that somebody could read, but where it is said to.
        must = self._tls == "starttls" or (self._tls == "offered" and self._user is not None)
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password.get_secret_value() if self._password else None,
            timeout=self._timeout_s,
            local_hostname=local_hostname,
            use_tls=self._tls == "implicit",
            start_tls=must or (None if self._tls == "offered" else False),
            tls_context=self._trusted,
        )

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise ProviderUnavailable(
                f"The mail server does not take our user and password ({error.code}); check"
                " PERDURE_MAIL_USER and PERDURE_MAIL_PASSWORD.",
                code=CREDENTIALS_REFUSED,
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _unreachable(error) from error

    async def _open_envelope(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        """Name both ends; whatever fails up to here, no mail was taken."""
        try:
            await client.mail(mail.sender)
            await client.rcpt(mail.to)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused) as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _unreachable(error) from error

    async def _transfer(self, client: aiosmtplib.SMTP, content: bytes) -> None:
        """Send the content; without a reply nobody knows whether it was taken."""
        try:
            await client.data(content)
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ProviderOutcomeUnknown(
                f"The mail server did not reply ({type(error).__name__}); ask it before trying"
                " again."
            ) from error


def _unreachable(error: Exception) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"The mail server cannot be reached ({type(error).__name__}); try again later."
    )


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
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        return message.as_bytes()
    except ValueError as error:  # a line break in a header, for one: no server would take it
        raise Refused(f"The mail cannot be written: {error}.", code="mail_rejected") from error


def _refusal(error: aiosmtplib.SMTPResponseException) -> PerdureError:
    """Tell "not now" (4xx) from "never" (5xx), as RFC 5321 section 4.2.1 does."""
    said = f"{error.code} {error.message}"
    if 500 <= error.code < 600:
        return Refused(f"The mail server will not take this: {said}.", code="mail_rejected")
    return ProviderUnavailable(f"The mail server did not take this now: {said}.")
