"""A mail server: takes mails over SMTP, shows them over HTTP, fails on demand by recipient."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.http_server import listen, page, serve_http
from perdure.simulators.journal import Journal
from perdure.simulators.message_books import Message, MessageBooks

TEMPORARY_FAILURE: Final = "tempfail"
REJECTED: Final = "reject"
CUT: Final = "cut"

_FLAKY_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How the mail server is run.

    Args:
        data_dir: Where its books are kept.
        port: Of the HTTP side; 0: any that is free.
        smtp_port: Of the SMTP side; 0: any that is free.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8103
    smtp_port: int = 8125


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Where the mail server listens."""

    http: int
    smtp: int


@asynccontextmanager
async def open_mail(settings: MailSettings) -> AsyncIterator[MailPorts]:
    """Run the mail server while the context is open; yields its ports.

    Raises:
        ConfigurationError: A port is taken, or the books are in use.
    """
    async with Journal(settings.data_dir / "mail.jsonl") as journal:
        books = MessageBooks(journal)
        routes = MailInquiry(books).routes()
        identity = Identity("mail", books_in(settings.data_dir))
        async with (
            _serve_smtp(books, host=settings.host, port=settings.smtp_port) as smtp_port,
            serve_http(routes, host=settings.host, port=settings.port, identity=identity) as port,
        ):
            yield MailPorts(port, smtp_port)


@asynccontextmanager
async def _serve_smtp(books: MessageBooks, *, host: str, port: int) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    listener = listen(host, port)
    handler = SmtpHandler(books)
    connections: WeakSet[SMTP] = WeakSet()

    def accept() -> SMTP:
        connection = SMTP(
            handler,
            hostname="mail.simulator",
            enable_SMTPUTF8=True,
            loop=loop,
        )
        connections.add(connection)
        return connection

    server = await loop.create_server(accept, sock=listener)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        for connection in list(connections):
            _abort(connection)
        await server.wait_closed()


class SmtpHandler:
    """What the server does with a mail.

    Args:
        books: What it remembers.
    """

    def __init__(self, books: MessageBooks) -> None:
        self._books = books

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take a recipient, unless there is no such."""
        if _fault_of(address) == REJECTED:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take a mail; the reply comes after it is on the disk."""
        mail = _read(envelope)
        attempts_before = self._books.record_attempt(mail.key)
        fault = _fault_of(mail.to)
        if fault == TEMPORARY_FAILURE and attempts_before < _FLAKY_FIRST:
            return "451 4.3.0 Try again later"
        is_first = not self._books.messages_of(mail.key)
        self._books.record_message(mail)
        await self._books.sync()
        if fault == CUT and is_first:
            _abort(server)
        return "250 2.0.0 Taken"


def _abort(connection: SMTP) -> None:
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()


def _fault_of(address: str) -> str:
    return address.partition("@")[0].partition("+")[0].lower()


def _read(envelope: Envelope) -> Message:
    assert isinstance(envelope.content, bytes)
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(envelope.content)
    body = message.get_body(("plain",))
    return Message(
        id=new_id("msg"),
        key=str(message.get("Message-ID", "")),
        to=envelope.rcpt_tos[0],
        sender=envelope.mail_from or "",
        subject=str(message.get("Subject", "")),
        text=str(body.get_content()) if body is not None else "",
        accepted_at=time.time(),
    )


class MailInquiry:
    """The HTTP side: which mails were taken.

    Args:
        books: What the server remembers.
    """

    def __init__(self, books: MessageBooks) -> None:
        self._books = books

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/messages", self.list_messages),
            Route("/v1/totals", self.show_totals),
        ]

    async def list_messages(self, request: Request) -> Response:
        """List mails, or those under one `?message_id=`."""
        message_id = request.query_params.get("message_id")
        if message_id is None:
            return page(request, self._books.messages(), _view)
        return page(request, self._books.messages_of(message_id), _view)

    async def show_totals(self, _: Request) -> Response:
        """Tell counts."""
        return JSONResponse(self._books.totals())


def _view(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "message_id": message.key,
        "to": message.to,
        "from": message.sender,
        "subject": message.subject,
        "text": message.text,
        "accepted_at": message.accepted_at,
    }
