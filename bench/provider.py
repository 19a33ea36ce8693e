"""The outside world of the benchmark: one HTTP server that says yes at once, and counts.

It answers in the shapes of Perdure's providers; every peer calls the same server. Its books tell
whether a peer paid out, charged or messaged anybody twice. It shares the processors with what is
measured, hence a protocol on uvloop and httptools without a framework: about 20 µs a request.
"""

import argparse
import asyncio
import json
import signal
from typing import Any, Final, cast
from urllib.parse import parse_qs

import httptools
import uvloop

PAYOUTS: Final = "/v1/payouts"
CHARGES: Final = "/v1/charges"
MESSAGES: Final = "/v1/messages"
SCORES: Final = "/v1/scores"
BOOKS: Final = "/books"

Answer = dict[str, Any]


class Provider:
    """What was done for whom, in memory: a list for each kind and reference."""

    def __init__(self) -> None:
        self._done: dict[str, dict[str, list[Answer]]] = {PAYOUTS: {}, CHARGES: {}, MESSAGES: {}}

    def act(self, path: str, body: dict[str, Any]) -> Answer | None:
        """Do what a POST asks, and return the answer; None: there is no such thing."""
        if path == SCORES:
            return {"reference": body["reference"], "verdict": "pass", "score": 1}
        if path == PAYOUTS:
            answer = _moved("po_", body, "paid")
        elif path == CHARGES:
            answer = _moved("ch_", body, "succeeded")
        elif path == MESSAGES:
            answer = {"id": f"msg_{body['reference']}", "reference": body["reference"]}
        else:
            return None
        self._done[path].setdefault(answer["reference"], []).append(answer)
        return answer

    def find(self, path: str, reference: str) -> Answer | None:
        """Return what was done under a reference, as a GET asks; None: there is no such thing."""
        if path == BOOKS:
            return dict(self.books())
        done = self._done.get(path)
        return None if done is None else {"data": done.get(reference, [])}

    def books(self) -> dict[str, int]:
        """Return the totals."""
        totals: dict[str, int] = {}
        for path, noun, moved in (
            (PAYOUTS, "payout", "paid_out_minor"),
            (CHARGES, "charge", "charged_minor"),
            (MESSAGES, "message", None),
        ):
            done = self._done[path]
            totals[f"{noun}s"] = sum(map(len, done.values()))
            totals[f"{noun}_references"] = len(done)
            if moved is not None:
                totals[moved] = sum(one["amount_minor"] for many in done.values() for one in many)
        return totals


def _moved(prefix: str, body: dict[str, Any], status: str) -> Answer:
    reference = body["reference"]
    return {
        "id": f"{prefix}{reference}",
        "reference": reference,
        "amount_minor": body["amount_minor"],
        "currency": body["currency"],
        "status": status,
    }


class Connection(asyncio.Protocol):
    """One kept-alive connection: requests are answered in the order they come."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._transport: asyncio.Transport | None = None
        # httptools calls back `on_url`, `on_body` and `on_message_complete`.
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        # uvloop's is one, though not by name.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Take in (a part of) the request's target."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Take in (a part of) the request's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        path, _, query = self._url.decode().partition("?")
        body, self._url, self._body = self._body, b"", b""
        if self._parser.get_method() == b"POST":
            answer = self._provider.act(path, json.loads(body or b"{}"))
        else:
            answer = self._provider.find(path, parse_qs(query).get("reference", [""])[0])
        content = json.dumps(answer or {}, separators=(",", ":")).encode()
        status = b"404 Not Found" if answer is None else b"200 OK"
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(content), content)
        )


async def serve(port: int) -> None:
    """Serve on loopback until SIGTERM."""
    provider, stop = Provider(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=1024)
    async with server:
        await stop.wait()


def main() -> None:
    """Serve on the port that the command line gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
