"""Mails as they leave: what any server takes, to whom they are meant for and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from perdure.core.errors import Refused
from perdure.providers.mail import Mail, SmtpMailer


class OldServer:
    """A server that knows no extension, and keeps what it is given."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, _replies: list[str]
    ) -> list[str]:
        session.host_name = name
        return ["250 old.example"]

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 Taken"


@pytest.fixture
async def old_server() -> AsyncIterator[tuple[OldServer, SmtpMailer]]:
    handler, loop = OldServer(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="old.example", loop=loop), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield handler, SmtpMailer("127.0.0.1", port, timeout_s=30)


def mail(to: str) -> Mail:
    text = f"{'Zoë bekommt 12,50 €. ' * 60}\n👩\u200d💻\n.\n"
    subject = "Zahlung über 12,50 € (Zoë\u20287)"
    return Mail("<ntf_1@perdure.example>", to, subject, text, "us@perdure.example")


async def test_a_mail_of_any_letters_is_of_seven_bits(
    old_server: tuple[OldServer, SmtpMailer],
) -> None:
    server, sender = old_server
    await sender.send(mail("ada@exämple.com"))
    (envelope,) = server.envelopes
    assert envelope.rcpt_tos == ["ada@xn--exmple-cua.com"]
    content = envelope.content
    assert isinstance(content, bytes)
    assert content.isascii()
    assert max(map(len, content.splitlines())) < 1000
    read = message_from_bytes(content, EmailMessage, policy=policy.default)
    assert read["To"] == "ada@xn--exmple-cua.com"
    assert read["Subject"] == "Zahlung über 12,50 € (Zoë 7)"
    assert read.get_content().replace("\r\n", "\n") == mail("").text


@pytest.mark.parametrize(
    "to", ["a,b@example.com", "adä@example.com", "nobody", "a@b.com\r\nBcc: eve@example.com"]
)
async def test_what_is_no_address_is_sent_to_nobody(
    old_server: tuple[OldServer, SmtpMailer], to: str
) -> None:
    server, sender = old_server
    with pytest.raises(Refused) as refusal:
        await sender.send(mail(to))
    assert refusal.value.code == "mail_rejected"
    assert server.envelopes == []
