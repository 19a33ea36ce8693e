"""`/v1/operations/{id}/events`, over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from perdure.api.event_stream import EventStream
from perdure.api.streams import OpenStreams
from perdure.operations.model import Status
from perdure.storage.pool import Pool

from .api_client import Api, Json, refused
from .test_operations import move, new_payment


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: Json


@asynccontextmanager
async def listening(
    api: Api, operation_id: str, last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    headers = api.headers() | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    path = f"/v1/operations/{operation_id}/events"
    async with asyncio.timeout(60), api.http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response)


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


async def test_events_come_as_they_happen_until_the_end(server: Api, pool: Pool) -> None:
    operation_id = await new_payment(server)
    async with listening(server, operation_id) as stream:
        first = await anext(stream)
        assert (first.name, first.data["action"]) == ("operation_event", "accepted")
        assert first.data["operation_id"] == operation_id
        await move(pool, operation_id, Status.PROCESSING, "started")
        assert (await anext(stream)).data["status"] == "processing"
        await move(pool, operation_id, Status.SUCCEEDED, "settled")
        assert [event.data["action"] async for event in stream] == ["settled"]


async def test_a_listener_resumes_where_it_broke_off(server: Api, pool: Pool) -> None:
    operation_id = await new_payment(server)
    async with listening(server, operation_id) as stream:
        seen = await anext(stream)
    await move(pool, operation_id, Status.PROCESSING, "started")
    await move(pool, operation_id, Status.FAILED, "closed")
    async with listening(server, operation_id, seen.id) as stream:
        rest = [event async for event in stream]
    assert [event.data["action"] for event in rest] == ["started", "closed"]


async def test_one_who_has_it_all_is_told_not_to_come_back(server: Api, pool: Pool) -> None:
    operation_id = await new_payment(server)
    await move(pool, operation_id, Status.CANCELLED, "closed")
    async with listening(server, operation_id) as stream:
        everything = [event async for event in stream]
    assert [event.data["action"] for event in everything] == ["accepted", "closed"]
    headers = server.headers() | {"Last-Event-ID": everything[-1].id}
    path = f"/v1/operations/{operation_id}/events"
    assert (await server.http.get(path, headers=headers)).status_code == 204


async def test_many_listeners_share_one_poller(server: Api, pool: Pool) -> None:
    operations = [await new_payment(server) for _ in range(3)]

    async def actions(operation_id: str) -> list[str]:
        async with listening(server, operation_id) as stream:
            return [event.data["action"] async for event in stream]

    listeners = [asyncio.create_task(actions(one)) for one in operations for _ in range(5)]
    for operation_id in operations:
        await move(pool, operation_id, Status.PROCESSING, "started")
        await move(pool, operation_id, Status.SUCCEEDED, "settled")
    assert await asyncio.gather(*listeners) == [["accepted", "started", "settled"]] * 15


class CountingPool:
    """A pool that counts the queries it passes on."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.queries = 0

    async def fetch(self, query: str, *arguments: object) -> object:
        self.queries += 1
        return await self._pool.fetch(query, *arguments)


async def test_the_poller_runs_only_while_somebody_listens(api: Api, pool: Pool) -> None:
    operation_id = await new_payment(api)
    counting = CountingPool(pool)
    stream = EventStream(counting)  # type: ignore[arg-type]
    listeners = [stream.follow(operation_id, 0) for _ in range(20)]
    await asyncio.gather(*(anext(listener) for listener in listeners))
    # Each came once the first look was over at the latest: one query, or two, for all of them.
    assert counting.queries <= 2
    assert stream.listeners == 20
    for listener in listeners:
        await listener.aclose()
    assert stream.listeners == 0
    poller = stream._poller
    assert poller is not None
    await asyncio.wait_for(poller, 60)


async def test_one_stream_too_many_comes_later(api: Api) -> None:
    operation_id = await new_payment(api)
    await refuses_one_too_many(api, f"/v1/operations/{operation_id}/events")


async def refuses_one_too_many(api: Api, path: str) -> None:
    """See that a stream is told to come again later by whoever has no more of them."""
    api.http._transport.app.state.open_streams = OpenStreams(  # type: ignore[attr-defined]
        streams_max=1, per_key_max=0
    )
    answer = await api.get(path)
    refused(answer, 429, "too_many_streams")
    assert answer.headers["Retry-After"] == "5"


async def test_listeners_outlive_a_database_that_was_away(api: Api, pool: Pool) -> None:
    class Flaky(CountingPool):
        async def fetch(self, query: str, *arguments: object) -> object:
            if self.queries == 0:
                self.queries += 1
                raise ConnectionRefusedError
            return await super().fetch(query, *arguments)

    stream = EventStream(Flaky(pool))  # type: ignore[arg-type]
    listener = stream.follow(await new_payment(api), 0)
    assert (await asyncio.wait_for(anext(listener), 60)).action == "accepted"
    await listener.aclose()
