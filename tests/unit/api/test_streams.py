"""Every stream has the one way in: it takes a place, and reads alike where it is to go on."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from perdure.api.streams import Events, LastEvent, OpenStreams, event
from perdure.core.errors import InvalidInput, ProviderRateLimited


async def forever() -> Events:
    for number in range(1_000_000):
        yield event("{}", "tick", number)
        await asyncio.sleep(0)


async def test_a_key_has_its_share_of_the_streams() -> None:
    streams = OpenStreams(streams_max=10, per_key_max=2)
    greedy = [streams.passed_on("greedy", forever()) for _ in range(3)]
    begun = await asyncio.gather(*(anext(one, None) for one in greedy))
    # All three were let in at once; the third ends before it has begun.
    assert begun.count(None) == 1
    with pytest.raises(ProviderRateLimited) as refusal:
        streams.check_free("greedy")
    assert refusal.value.code == "too_many_streams"
    streams.check_free("modest")
    for one in greedy:
        await one.aclose()  # type: ignore[attr-defined]
    assert streams.count == 0
    streams.check_free("greedy")


async def test_all_keys_together_have_no_more_than_there_are() -> None:
    streams = OpenStreams(streams_max=1, per_key_max=1)
    first = streams.passed_on("one", forever())
    await anext(first)
    with pytest.raises(ProviderRateLimited):
        streams.check_free("another")
    await first.aclose()  # type: ignore[attr-defined]


async def test_one_that_broke_has_given_back_its_place() -> None:
    async def broken() -> Events:
        yield event("{}", "tick", 1)
        raise InvalidInput("It broke.")

    streams = OpenStreams(streams_max=1, per_key_max=1)
    passed_on = streams.passed_on("key", broken())
    await anext(passed_on)
    with pytest.raises(InvalidInput):
        await anext(passed_on)
    assert streams.count == 0


async def test_it_ends_after_its_time_and_ends_what_it_passes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []

    async def silent() -> Events:
        try:
            await asyncio.Event().wait()
            yield event("{}", "never", 1)
        finally:
            ended.append(True)

    monkeypatch.setattr("perdure.api.streams.DURATION_MAX_S", 0.01)
    streams = OpenStreams(streams_max=1, per_key_max=1)
    assert [one async for one in streams.passed_on("key", silent())] == []
    assert (ended, streams.count) == ([True], 0)


@pytest.mark.parametrize(
    ("given", "read"),
    [("", 0), ("0", 0), ("7", 7), (str(2**63 - 1), 2**63 - 1)]
    + [(wrong, None) for wrong in ("-1", "one", "1.5", "٣", str(2**63), "9" * 30)],
)
async def test_where_it_goes_on_is_read_alike(given: str, read: int | None) -> None:
    app = FastAPI()

    @app.get("/")
    async def route(after: LastEvent) -> int:
        return after

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        headers = httpx.Headers({b"Last-Event-ID": given.encode()})
        if read is not None:
            assert (await http.get("/", headers=headers)).json() == read
            return
        with pytest.raises(InvalidInput) as refusal:
            await http.get("/", headers=headers)
    assert (refusal.value.code, refusal.value.param) == ("invalid_event_id", "Last-Event-ID")
