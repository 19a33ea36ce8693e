from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from perdure.core.errors import (
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    Refused,
)
from perdure.providers.sms import HttpSmsSender
from perdure.simulators import sms
from perdure.simulators.sms import SmsSettings, open_sms


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_sms(SmsSettings(tmp_path, port=0)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=0.4) as client,
    ):
        yield client


async def send(http: httpx.AsyncClient, *, end: str = "9999", text: str = "Hello") -> None:
    await HttpSmsSender(http).send(reference="ntf_1", to=f"+4917012{end}", text=text)


async def sent(http: httpx.AsyncClient) -> int:
    count = len((await http.get("/v1/messages", params={"reference": "ntf_1"})).json()["data"])
    assert await HttpSmsSender(http).was_sent("ntf_1") is (count > 0)
    return count


async def test_a_text_is_taken_once_per_reference(http: httpx.AsyncClient) -> None:
    assert await sent(http) == 0
    await send(http)
    await send(http)
    assert await sent(http) == 1
    with pytest.raises(Refused, match="idempotency_mismatch"):
        await send(http, text="Something else")
    totals = (await http.get("/v1/totals")).json()
    assert (totals["messages"], totals["attempts"]) == (1, 3)
    assert totals["duplicates"]["count"] == 0


async def test_a_number_that_is_none_is_refused_for_good(http: httpx.AsyncClient) -> None:
    with pytest.raises(Refused) as caught:
        await send(http, end=sms.INVALID)
    assert caught.value.code == "sms_rejected"
    assert await sent(http) == 0


async def test_flaky_takes_the_third_attempt(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown):
            await send(http, end=sms.FLAKY)
        assert await sent(http) == 0
    await send(http, end=sms.FLAKY)
    assert await sent(http) == 1


async def test_rate_limited_takes_the_third_attempt(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        with pytest.raises(ProviderRateLimited):
            await send(http, end=sms.RATE_LIMITED)
    await send(http, end=sms.RATE_LIMITED)
    assert await sent(http) == 1


async def test_down_takes_nothing(http: httpx.AsyncClient) -> None:
    for _ in range(4):
        with pytest.raises(ProviderOutcomeUnknown):
            await send(http, end=sms.DOWN)
    assert await sent(http) == 0


@pytest.mark.parametrize(
    "end", [sms.FLAKY_AFTER_EFFECT, sms.CUT_AFTER_EFFECT, sms.TIMEOUT_AFTER_EFFECT]
)
async def test_a_lost_answer_leaves_a_text_that_the_inquiry_finds(
    http: httpx.AsyncClient, end: str
) -> None:
    with pytest.raises(ProviderOutcomeUnknown):
        await send(http, end=end)
    assert await sent(http) == 1
    await send(http, end=end)
    assert await sent(http) == 1


async def test_nobody_listening_is_unavailable() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(ProviderUnavailable):
            await send(client)
