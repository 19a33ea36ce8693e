"""What one request may take of the server, on a real socket: size, count and time."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace

import httpx
import pytest

from perdure.bootstrap import Platform

from .api_client import Api, ok
from .conftest import served

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /v1/payments HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@dataclass
class Server:
    """A server with short time-outs, and connections to it."""

    api: Api

    async def say(self, *parts: bytes) -> bytes:
        """Send, one after the other until the server has answered, and return what it says."""
        url = httpx.URL(self.api.http.base_url)
        # In a thread: what the loop is busy sending, it would be late to receive.
        return await asyncio.to_thread(_say, (url.host, url.port or 80), parts)

    async def is_well(self) -> None:
        async with asyncio.timeout(60):
            ok(await self.api.http.get("/healthz"))


def _say(address: tuple[str, int], parts: tuple[bytes, ...]) -> bytes:
    with (
        socket.create_connection(address, timeout=60) as connection,
        ThreadPoolExecutor(1) as hears,
    ):
        # Beside the sending: a server that has answered waits only so long for the rest.
        answer = hears.submit(_heard, connection)
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                connection.sendall(part)
                if wait([answer], timeout=0.02).done:
                    break
        return answer.result()


def _heard(connection: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while received := connection.recv(65_536):
            answer += received
    return answer


@pytest.fixture(scope="module")
async def server_in_a_hurry(platform: Platform, admin_secret: str) -> AsyncIterator[Server]:
    short = {"api_header_timeout_s": 1.0, "api_body_timeout_s": 1.0}
    hurried = replace(platform, settings=platform.settings.model_copy(update=short))
    async with served(hurried, admin_secret) as api:
        yield Server(api)


def check_refused(answer: bytes, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert f"x-request-id: {error['request_id']}" in head.decode()


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"X: " + b"a" * 100_000_000 + b"\r\n\r\n"],
        [HEAD, *[b"X: " + b"a" * 20_000 + b"\r\n"] * 50, b"\r\n"],
        [HEAD + b"X: " + b"a" * 40_000 + b"\r\n\r\n"],
        [HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n"],
        [b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n"],
        [b"\r\n" * 200_000],
    ],
    ids=["100 MB", "in pieces", "at once", "ten thousand", "a path", "line breaks"],
)
async def test_too_much_of_a_head_is_431_and_holds_up_nobody(
    server_in_a_hurry: Server, parts: list[bytes]
) -> None:
    refusal = asyncio.ensure_future(server_in_a_hurry.say(*parts))
    await server_in_a_hurry.is_well()
    check_refused(await refusal, 431, "headers_too_large")


async def test_a_chunked_bodys_trailer_is_bounded_too(server_in_a_hurry: Server) -> None:
    body = [b"2\r\n{}\r\n0\r\nX: ", *[b"a" * 50_000] * 40]
    answer = await server_in_a_hurry.say(POST + b"Transfer-Encoding: chunked\r\n\r\n", *body)
    check_refused(answer, 431, "headers_too_large")
    await server_in_a_hurry.is_well()


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD, *[b"X: a\r\n"] * 1000],
        [HEAD[:10], *[b""] * 1000],
        [POST + b"Content-Length: 1000\r\n\r\n", *[b"a"] * 1000],
    ],
    ids=["a head without end", "a line", "a body"],
)
async def test_what_arrives_too_slowly_is_408(
    server_in_a_hurry: Server, parts: list[bytes]
) -> None:
    check_refused(await server_in_a_hurry.say(*parts), 408, "request_timeout")
    await server_in_a_hurry.is_well()


async def test_a_connection_nobody_uses_is_closed_without_a_word(server_in_a_hurry: Server) -> None:
    assert await server_in_a_hurry.say() == b""


async def test_what_is_no_http_is_an_error_like_all(server_in_a_hurry: Server) -> None:
    check_refused(
        await server_in_a_hurry.say(b"\x16\x03\x01 hello\r\n\r\n"), 400, "malformed_request"
    )


async def test_requests_in_time_share_a_connection(server_in_a_hurry: Server) -> None:
    full = HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(90)) + b"\r\n"
    slowly = [full[start : start + 200] for start in range(0, len(full), 200)]
    once = HEAD + b"Connection: close\r\n\r\n"
    answer = await server_in_a_hurry.say(full + full, *slowly, once)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
