import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from perdure.core.errors import ProviderOutcomeUnknown, ProviderUnavailable, Refused
from perdure.providers.http_client import open_http_client
from perdure.providers.mail import Mail, SmtpMailer
from perdure.simulators.mail import MailPorts, MailSettings, open_mail

MESSAGE_ID = "<ntf_1@perdure.example>"
TIMEOUT_S = 2.0


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[MailPorts]:
    async with open_mail(MailSettings(tmp_path, port=0, smtp_port=0)) as ports:
        yield ports


@pytest.fixture
async def http(ports: MailPorts) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.http}") as client:
        yield client


@pytest.fixture
async def sender(ports: MailPorts) -> AsyncIterator[SmtpMailer]:
    url = f"http://127.0.0.1:{ports.http}"
    async with open_http_client(url, timeout_s=TIMEOUT_S) as inquiry:
        yield SmtpMailer("127.0.0.1", ports.smtp, timeout_s=TIMEOUT_S, inquiry=inquiry)


def mail(to: str = "ada@example.org", *, message_id: str = MESSAGE_ID) -> Mail:
    text = "Your payment of 12.50 € is done.\n.\nA line after a dot.\n"
    return Mail(message_id, to, "Zahlung über 12,50 €", text, "us@perdure.example")


async def test_a_mail_arrives_as_it_was_written(
    sender: SmtpMailer, http: httpx.AsyncClient
) -> None:
    assert await sender.was_sent(MESSAGE_ID) is False
    await sender.send(mail())
    assert await sender.was_sent(MESSAGE_ID) is True
    found = (await http.get("/v1/messages", params={"message_id": MESSAGE_ID})).json()["data"]
    assert [(message["to"], message["from"]) for message in found] == [
        ("ada@example.org", "us@perdure.example")
    ]
    assert found[0]["subject"] == mail().subject
    assert found[0]["text"].replace("\r\n", "\n") == mail().text


async def test_a_temporary_failure_takes_the_third_attempt(sender: SmtpMailer) -> None:
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await sender.send(mail("tempfail@example.org"))
        assert await sender.was_sent(MESSAGE_ID) is False
    await sender.send(mail("tempfail@example.org"))
    assert await sender.was_sent(MESSAGE_ID) is True


async def test_a_mailbox_that_does_not_exist_is_refused_for_good(sender: SmtpMailer) -> None:
    with pytest.raises(Refused) as caught:
        await sender.send(mail("reject@example.org"))
    assert caught.value.code == "mail_rejected"
    assert await sender.was_sent(MESSAGE_ID) is False


async def test_a_lost_reply_leaves_a_mail_that_the_inquiry_finds(
    sender: SmtpMailer, http: httpx.AsyncClient
) -> None:
    with pytest.raises(ProviderOutcomeUnknown):
        await sender.send(mail("cut@example.org"))
    assert await sender.was_sent(MESSAGE_ID) is True
    await sender.send(mail("cut@example.org"))  # who does not ask sends twice
    totals = (await http.get("/v1/totals")).json()
    assert totals["messages"] == totals["attempts"] == 2
    assert totals["duplicates"] == {"count": 1, "references": [MESSAGE_ID]}


async def test_concurrent_mails_all_arrive(sender: SmtpMailer, http: httpx.AsyncClient) -> None:
    ids = [f"<{number}@perdure.example>" for number in range(20)]
    await asyncio.gather(*(sender.send(mail(message_id=message_id)) for message_id in ids))
    found = (await http.get("/v1/messages")).json()["data"]
    assert sorted(message["message_id"] for message in found) == sorted(ids)


async def test_a_server_that_never_greets_is_unavailable() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderUnavailable):
            await SmtpMailer("127.0.0.1", port, timeout_s=0.2).send(mail())
