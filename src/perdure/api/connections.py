"""The server's end of a connection: uvicorn's, with bounds on what a request may take.

uvicorn on httptools reads headers of any size and waits for them for any time. Here a request's
head and body have to arrive in time and within a size, or are answered 431 or 408 at the
connection, before the application sees anything of them. See docs/adr/0021-http-server.md.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from perdure.api.errors import Problem
from perdure.core.ids import REQUEST, new_id

log = structlog.get_logger()

_LINGER_S: Final = 1.0
"""How long what a refused caller still sends is thrown away, so that it reads the answer: closed
with unread data, a connection is reset, and the answer is lost."""

_MALFORMED: Final = Problem(
    400, "invalid_request_error", "malformed_request", "This is not a request in HTTP/1.1."
)
_TOO_SLOW: Final = Problem(
    408, "invalid_request_error", "request_timeout", "The request did not arrive in time."
)
_TOO_LARGE: Final = Problem(
    431,
    "invalid_request_error",
    "headers_too_large",
    "The request has too many headers, or too large ones.",
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one request may take before it is the application's.

    Args:
        header_bytes_max: The size of request line and headers together.
        header_timeout_s: From a request's first byte, or the connection's beginning, to the end of
            its headers.
        body_timeout_s: From there to the end of its body.
    """

    header_bytes_max: int = 32_768
    header_count_max: int = 100
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0


def protocol_with(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return the protocol of connections that keep to these limits."""
    return type("LimitedProtocol", (_BoundedProtocol,), {"limits": limits})


class _BoundedProtocol(HttpToolsProtocol):
    limits: ClassVar[ConnectionLimits]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._is_receiving = False
        self._is_refused = False
        self._header_count = 0
        self._header_bytes = 0
        self._unclaimed_bytes = 0
        """Received since something was last complete: a part of a head, or of a body's trailer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_within(self.limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if not self._is_receiving:
            self._is_receiving = True
            self._expect_within(self.limits.header_timeout_s)
        self._unclaimed_bytes += len(data)
        super().data_received(data)
        if max(self._unclaimed_bytes, self._header_bytes) > self.limits.header_bytes_max:
            self._refuse(_TOO_LARGE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's own words
        self._refuse(_MALFORMED)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_count = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._header_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if self._header_count > self.limits.header_count_max:
            self._refuse(_TOO_LARGE)
        if not self._is_refused:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unclaimed_bytes = 0
        if self._header_bytes > self.limits.header_bytes_max:
            self._refuse(_TOO_LARGE)
        if not self._is_refused:
            self._expect_within(self.limits.body_timeout_s)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unclaimed_bytes = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unclaimed_bytes = 0
        if not self._is_refused:
            self._is_receiving = False
            self._expect_within(None)
            super().on_message_complete()

    def _expect_within(self, timeout_s: float | None) -> None:
        """Have what is awaited arrive in time; None: nothing is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout_s is not None and not self._is_refused:
            self._timer = self.loop.call_later(timeout_s, self._too_late)

    def _too_late(self) -> None:
        if self._is_receiving:
            self._refuse(_TOO_SLOW)
        else:
            # Opened and never used, as browsers do in advance: nobody asked anything.
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer what the application will not see, or no more of, and end the connection."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._expect_within(None)
        self._unset_keepalive_if_required()
        log.info("request_refused", status=problem.status, code=problem.code, client=self.client)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.transport.write(_answer(problem))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_S, self.transport.close)


def _answer(problem: Problem) -> bytes:
    request_id = new_id(REQUEST)
    body = problem.body(request_id)
    head = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[problem.status] + head.encode() + body
