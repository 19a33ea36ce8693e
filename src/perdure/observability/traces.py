"""Traces by OpenTelemetry, sent to whoever its own variables (`OTEL_…`) name.

Nobody imports this where they name nobody.
"""

import importlib
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.contrib.opentelemetry import (
    OpenTelemetryPlugin,
    ReplaySafeTracerProvider,
    create_tracer_provider,
)
from temporalio.plugin import SimplePlugin

from perdure.core.errors import ANSWERS, ConfigurationError, PerdureError
from perdure.core.telemetry import TRACEPARENT, Facts, Side, Span
from perdure.observability import allowed

_W3C: Final = TraceContextTextMapPropagator()
_KINDS: Final = {
    Side.WITHIN: SpanKind.INTERNAL,
    Side.ASKED: SpanKind.SERVER,
    Side.ASKING: SpanKind.CLIENT,
}
_EXPORTERS: Final = {
    "http/protobuf": ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "http"),
    "grpc": ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "grpc"),
}
_UNTRACED: Final = SpanContext(trace_id=1, span_id=1, is_remote=False)
"""Of what is part of no trace: it is not sampled, and so is nothing below it."""


def exporter() -> SpanExporter:
    """Return what sends spans, as the environment says.

    Raises:
        ConfigurationError: The protocol is none, or its exporter is not installed.
    """
    variables = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    said = next((name for name in variables if os.environ.get(name)), variables[1])
    protocol = os.environ.get(said) or "http/protobuf"
    if protocol not in _EXPORTERS:
        raise ConfigurationError(
            f"The setting {said} is wrong: use one of {', '.join(_EXPORTERS)}.", param=said
        )
    module, name = _EXPORTERS[protocol]
    try:
        found: SpanExporter = importlib.import_module(module).OTLPSpanExporter()
    except ImportError:
        package = f"opentelemetry-exporter-otlp-proto-{name}"
        raise ConfigurationError(
            f"{said} is {protocol}, which takes the package {package}; install it.", param=said
        ) from None
    return found


def start_traces(role: str, sender: SpanExporter) -> "Traces":
    """Have this process's spans be sent."""
    own: dict[str, str | int] = {
        "service.version": version("perdure"),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        "process.pid": os.getpid(),
    }
    named = os.environ.get("OTEL_SERVICE_NAME") or os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if "service.name=" not in named and not os.environ.get("OTEL_SERVICE_NAME"):
        own["service.name"] = f"perdure-{role}"
    provider = create_tracer_provider(
        resource=Resource.create(own),
        span_limits=SpanLimits(max_events=4, max_span_attributes=32),
    )
    provider.add_span_processor(BatchSpanProcessor(_Cleaning(sender)))
    # FastAPI, Starlette and Temporal's plugin take the process's own. No baggage: nobody knows what
    # is in it, and it would go into every workflow.
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(_W3C)
    return Traces(provider)


class Traces:
    """The process's spans."""

    def __init__(self, provider: ReplaySafeTracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("perdure")

    def plugin(self) -> SimplePlugin:
        """Return what has Temporal carry traces through workflows, with spans of its own."""
        return OpenTelemetryPlugin(add_temporal_spans=True)

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()

    @contextmanager
    def span(self, name: str, facts: Facts, side: Side) -> Iterator[Span]:
        """Tell of a piece of work; see `Telemetry.span`."""
        if _is_untraced():
            yield Span()
            return
        with self._tracer.start_as_current_span(
            name,
            kind=_KINDS[side],
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            span = _Span(started)
            span.note(facts)
            try:
                yield span
            except BaseException as error:
                span.failed(error)
                raise

    @contextmanager
    def following(self, traceparent: str | None) -> Iterator[None]:
        """Have what is done inside be part of another trace; see `Telemetry.following`."""
        here = trace.set_span_in_context(NonRecordingSpan(_UNTRACED))
        token = context.attach(here if traceparent is None else _context_of(traceparent))
        try:
            yield
        finally:
            context.detach(token)

    def note(self, facts: Facts) -> None:
        """Add to the span that is open."""
        _Span(trace.get_current_span()).note(facts)

    def link(self, traceparent: str) -> None:
        """Link the span that is open to one of another trace."""
        span, other = trace.get_current_span(), _span_context_of(traceparent)
        if other.is_valid and other.trace_id != span.get_span_context().trace_id:
            span.add_link(other)

    def traceparent(self) -> str | None:
        """Return the open span as W3C's header names it."""
        carrier: dict[str, str] = {}
        if not _is_untraced():
            _W3C.inject(carrier)
        return carrier.get(TRACEPARENT)


class _Span(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, facts: Facts) -> None:
        for name, value in facts.items():
            if value is not None:
                self._span.set_attribute(name if "." in name else f"perdure.{name}", value)

    def failed(self, error: BaseException) -> None:
        code = error.code if isinstance(error, PerdureError) else None
        self.note({"outcome": "failed", "code": code, "error.type": type(error).__qualname__})
        if not isinstance(error, ANSWERS):
            self._span.set_status(Status(StatusCode.ERROR))


class _Cleaning(SpanExporter):
    """Sends of each span what is allowed: see `observability.allowed`."""

    def __init__(self, sender: SpanExporter) -> None:
        self._sender = sender

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._sender.export([_clean(span) for span in spans])

    def shutdown(self) -> None:
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.force_flush(timeout_millis)


def _clean(span: ReadableSpan) -> ReadableSpan:
    facts = dict(span.attributes or {})
    for event in span.events:
        # What Temporal's plugin keeps of an error: its type, and also what is nobody's business.
        facts.setdefault("error.type", (event.attributes or {}).get("exception.type", "other"))
    return ReadableSpan(
        name=allowed.span_name(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=allowed.span_facts(facts),
        links=[Link(link.context) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _is_untraced() -> bool:
    return trace.get_current_span().get_span_context().trace_id == _UNTRACED.trace_id


def _context_of(traceparent: str) -> Context:
    return _W3C.extract({TRACEPARENT: traceparent}, context=Context())


def _span_context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context_of(traceparent)).get_span_context()
