from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from perdure.core.errors import (
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    Refused,
)
from perdure.providers.http_client import open_http_client
from perdure.providers.sms import HttpSmsSender
from perdure.simulators import sms
from perdure.simulators.sms import SmsSettings, open_sms


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that runs in this process, with our client of it."""

    client: HttpSmsSender
    http: httpx.AsyncClient


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    async with open_sms(SmsSettings(tmp_path, port=0)) as port:
        url = f"http://127.0.0.1:{port}"
        async with (
            open_http_client(url, timeout_s=2.0) as client,
            httpx.AsyncClient(base_url=url) as http,
        ):
            yield Provider(HttpSmsSender(client), http)


async def send(client: HttpSmsSender, *, end: str = "9999", text: str = "Hello") -> None:
    await client.send(reference="ntf_1", to=f"+4917012{end}", text=text)


async def sent(provider: Provider) -> int:
    answer = await provider.http.get("/v1/messages", params={"reference": "ntf_1"})
    count = len(answer.json()["data"])
    assert await provider.client.was_sent("ntf_1") is (count > 0)
    return count


async def test_a_text_is_taken_once_per_reference(provider: Provider) -> None:
    assert await sent(provider) == 0
    await send(provider.client)
    await send(provider.client)
    assert await sent(provider) == 1
    with pytest.raises(ProviderOutcomeUnknown, match="idempotency_mismatch"):
        await send(provider.client, text="Something else")
    totals = (await provider.http.get("/v1/totals")).json()
    assert (totals["messages"], totals["attempts"]) == (1, 3)
    assert totals["duplicates"]["count"] == 0


async def test_a_number_that_is_none_is_refused_for_good(provider: Provider) -> None:
    with pytest.raises(Refused) as caught:
        await send(provider.client, end=sms.INVALID)
    assert caught.value.code == "sms_rejected"
    assert await sent(provider) == 0


async def test_flaky_takes_the_third_attempt(provider: Provider) -> None:
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown):
            await send(provider.client, end=sms.FLAKY)
        assert await sent(provider) == 0
    await send(provider.client, end=sms.FLAKY)
    assert await sent(provider) == 1


async def test_rate_limited_takes_the_third_attempt(provider: Provider) -> None:
    for _ in range(2):
        with pytest.raises(ProviderRateLimited):
            await send(provider.client, end=sms.RATE_LIMITED)
    await send(provider.client, end=sms.RATE_LIMITED)
    assert await sent(provider) == 1


async def test_down_takes_nothing(provider: Provider) -> None:
    for _ in range(4):
        with pytest.raises(ProviderOutcomeUnknown):
            await send(provider.client, end=sms.DOWN)
    assert await sent(provider) == 0


@pytest.mark.parametrize(
    "end", [sms.FLAKY_AFTER_EFFECT, sms.CUT_AFTER_EFFECT, sms.TIMEOUT_AFTER_EFFECT]
)
async def test_a_lost_answer_leaves_a_text_that_the_inquiry_finds(
    provider: Provider, end: str
) -> None:
    with pytest.raises(ProviderOutcomeUnknown):
        await send(provider.client, end=end)
    assert await sent(provider) == 1
    await send(provider.client, end=end)
    assert await sent(provider) == 1


async def test_nobody_listening_is_unavailable() -> None:
    async with open_http_client("http://127.0.0.1:9", timeout_s=30) as client:
        with pytest.raises(ProviderUnavailable):
            await send(HttpSmsSender(client))
