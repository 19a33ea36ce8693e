"""Traces of this process, looked at here."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util._once import Once

from perdure.core.telemetry import Telemetry, tell
from perdure.observability.observed import Observed
from perdure.observability.traces import Traces, start_traces


class Kept(SpanExporter):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: object) -> SpanExportResult:
        self.spans += spans  # type: ignore[arg-type]
        return SpanExportResult.SUCCESS


@contextmanager
def traced() -> Iterator[tuple[Observed, Traces, Kept]]:
    """Trace this process while the context is open: what is kept is there once it is closed."""
    kept, before = Kept(), propagate.get_global_textmap()
    traces = start_traces("tests", kept)
    observed = Observed(traces, None)
    tell(observed)
    try:
        yield observed, traces, kept
    finally:
        tell(Telemetry())
        traces.close()
        propagate.set_global_textmap(before)
        # A process has one provider for good; this one's next test has none.
        trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()
