import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from bench.provider import CHARGES, MESSAGES, PAYOUTS, Connection, Provider


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    provider = Provider()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


@pytest.mark.parametrize(("path", "status"), [(PAYOUTS, "paid"), (CHARGES, "succeeded")])
async def test_what_was_moved_is_found_by_its_reference(
    http: aiohttp.ClientSession, path: str, status: str
) -> None:
    body = {"reference": "tfr_1", "amount_minor": 250, "currency": "USD", "destination": "x"}

    async with http.post(path, json=body) as response:
        answer = await response.json()
    async with http.get(path, params={"reference": "tfr_1"}) as response:
        found = await response.json()
    async with http.get(path, params={"reference": "tfr_2"}) as response:
        unknown = await response.json()

    assert answer["status"] == status
    assert answer | {"reference": "tfr_1", "amount_minor": 250, "currency": "USD"} == answer
    assert found == {"data": [answer]}
    assert unknown == {"data": []}


async def test_the_books_count_what_was_done(http: aiohttp.ClientSession) -> None:
    for _ in range(2):
        await http.post(MESSAGES, json={"reference": "tfr_1", "to": "", "text": ""})

    async with http.get("/books") as response:
        books = await response.json()

    assert books["messages"] == 2
    assert books["message_references"] == 1
    assert books["payouts"] == 0


async def test_what_there_is_not_is_not_found(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/loans", json={}) as posted, http.get("/v1/loans") as read:
        assert (posted.status, read.status) == (404, 404)


async def test_requests_on_one_connection_are_answered_in_their_order() -> None:
    written: list[bytes] = []

    class Transport(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))

    connection = Connection(Provider())
    connection.connection_made(Transport())
    request = b"GET /v1/payouts?reference=%d HTTP/1.1\r\nHost: x\r\n\r\n"
    both = request % 1 + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"

    connection.data_received(both[:30])
    connection.data_received(both[30:])

    assert [answer.split(b"\r\n")[0] for answer in written] == [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
    ]
