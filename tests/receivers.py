"""Where traces and errors arrive: an OTLP endpoint and Sentry's, as servers on this machine."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class ArrivedSpan:
    """A span, as the collector got it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    service: str
    pid: int
    facts: dict[str, Any]
    links: list[str]
    is_error: bool
    text: str


@dataclass
class Receiver:
    """What has arrived.

    Attributes:
        takes: False: Sentry answers 503, as while it is away.
    """

    port: int = 0
    spans: list[ArrivedSpan] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    takes: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """What a process is told, to tell this receiver of everything at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "PERDURE_SENTRY_DSN": f"http://key@127.0.0.1:{self.port}/1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def trace(self, trace_id: str) -> dict[str, ArrivedSpan]:
        """Return the spans of a trace, by their ids."""
        return {one.span_id: one for one in [*self.spans] if one.trace_id == trace_id}

    def take_spans(self, body: bytes) -> None:
        """Read an export."""
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _facts(of_process.resource.attributes)
            for scope in of_process.scope_spans:
                self.spans += [
                    ArrivedSpan(
                        name=one.name,
                        trace_id=one.trace_id.hex(),
                        span_id=one.span_id.hex(),
                        parent_id=one.parent_span_id.hex(),
                        service=resource["service.name"],
                        pid=resource["process.pid"],
                        facts=_facts(one.attributes),
                        links=[link.trace_id.hex() for link in one.links],
                        is_error=one.status.code == 2,
                        text=str(one),
                    )
                    for one in scope.spans
                ]

    def take_envelope(self, body: bytes) -> None:
        """Read an envelope: a line about it, then a line about each item, and the item."""
        lines = body.splitlines()
        for header, content in zip(lines[1::2], lines[2::2], strict=True):
            if json.loads(header)["type"] == "event":
                self.events.append(json.loads(content))


def _facts(attributes: Any) -> dict[str, Any]:
    return {
        one.key: one.value.int_value if one.value.HasField("int_value") else one.value.string_value
        for one in attributes
    }


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive traces and errors, while the context is open."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.raw.append(body)
            if self.path == "/v1/traces":
                found.take_spans(body)
            elif found.takes:
                assert self.path == "/api/1/envelope/"
                found.take_envelope(body)
            self.send_response(200 if found.takes else 503)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield found
        finally:
            server.shutdown()
            serving.join()
