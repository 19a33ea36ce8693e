"""A server that answers, or does not, to the byte: as no HTTP server would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_APART_S = 0.05

Conversation = Callable[["RawServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Then = Callable[["RawServer", asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    """What came over every connection, and where to send more."""

    url: str = ""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def answer(
    body: bytes = b"7", *, status: int = 200, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return an answer; its Content-Length is right where none is given."""
    lines = {"Content-Length": str(len(body))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Something\r\n{head}\r\n".encode() + body


async def keep(_: RawServer, __: asyncio.StreamWriter) -> None:
    """Take the next request on the same connection."""


async def close(_: RawServer, writer: asyncio.StreamWriter) -> None:
    """End the connection."""
    writer.close()


async def reset(_: RawServer, writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    writer.transport.abort()


async def hang(server: RawServer, _: asyncio.StreamWriter) -> None:
    """Say nothing more."""
    await server.ended.wait()


def later(part: bytes) -> Then:
    """Send this when the client has read what came before it, then say nothing more."""

    async def send(server: RawServer, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(_APART_S)
        writer.write(part)
        await server.ended.wait()

    return send


def trickling(part: bytes, pause_s: float) -> Then:
    """Send this again and again."""

    async def send(server: RawServer, writer: asyncio.StreamWriter) -> None:
        while not server.ended.is_set() and not writer.is_closing():
            writer.write(part)
            await asyncio.sleep(pause_s)

    return send


def answering(*answers: bytes, then: Then = keep) -> Conversation:
    """Answer the first requests with these, and each after them with the last; then do that."""

    async def talk(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not writer.is_closing():
            server.requests.append(await _request(reader))
            server.asked.set()
            writer.write(answers[min(len(server.requests), len(answers)) - 1])
            await writer.drain()
            if len(server.requests) >= len(answers):
                await then(server, writer)

    return talk


async def without_reading(
    server: RawServer, _: asyncio.StreamReader, __: asyncio.StreamWriter
) -> None:
    """Accept connections, and nothing else."""
    await server.ended.wait()


@asynccontextmanager
async def serve(conversation: Conversation) -> AsyncIterator[RawServer]:
    """Hold a conversation with every connection."""
    state = RawServer()
    talks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        talks.add(asyncio.ensure_future(talk(reader, writer)))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await conversation(state, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        state.ended.set()
        server.close()
        await asyncio.gather(*talks)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head
