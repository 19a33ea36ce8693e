"""Where traces and errors arrive: an OTLP endpoint and Sentry's, as servers on this machine."""

import gzip
import json
import threading
import time
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

    def tree(self, trace_id: str) -> str:
        """Return a trace as people read it: who did what, below who asked for it."""
        trace = self.trace(trace_id)

        def lines(parent_id: str, depth: int) -> Iterator[str]:
            for one in trace.values():
                if one.parent_id == parent_id:
                    facts = " ".join(f"{name}={value}" for name, value in one.facts.items())
                    failed = " FAILED" if one.is_error else ""
                    yield f"{'  ' * depth}{one.name}{failed}  [{one.service} {one.pid}] {facts}"
                    yield from lines(one.span_id, depth + 1)

        roots = dict.fromkeys(one.parent_id for one in trace.values())
        return "\n".join(line for found in roots if found not in trace for line in lines(found, 0))

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


def main() -> None:
    """Show each trace of an operation, and each error, as they arrive; Ctrl-C ends it."""
    with receiving() as receiver:
        for name, value in receiver.environment.items():
            print(f"export {name}={value}")
        shown, errors = set[str](), 0
        while True:
            count = len(receiver.spans)
            time.sleep(3)
            for event in receiver.events[errors:]:
                print(json.dumps(event, indent=1))
            errors = len(receiver.events)
            if count == len(receiver.spans):
                of_one = [one for one in receiver.spans if "perdure.operation_id" in one.facts]
                for trace_id in dict.fromkeys(one.trace_id for one in of_one):
                    if trace_id not in shown:
                        print(f"\n{trace_id}\n{receiver.tree(trace_id)}")
                        shown.add(trace_id)


if __name__ == "__main__":
    main()
