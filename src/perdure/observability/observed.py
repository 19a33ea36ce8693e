"""Who is told of a process's work, where somebody is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError

from perdure.core.errors import PerdureError
from perdure.core.telemetry import Facts, Side, Span, Telemetry, telemetry, trace_id_of
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

if TYPE_CHECKING:  # each takes what is installed only where it is on
    from perdure.observability.sentry import Defects
    from perdure.observability.traces import Traces


class Observed(Telemetry):
    """Tells of a process's work.

    Args:
        traces: None: no spans.
        defects: None: nobody is told of errors.
    """

    def __init__(self, traces: "Traces | None", defects: "Defects | None") -> None:
        self._traces = traces
        self._defects = defects
        self.traces = traces is not None

    def span(
        self, name: str, facts: Facts, *, side: Side = Side.WITHIN
    ) -> AbstractContextManager[Span]:
        """Tell of a piece of work, while the context is open."""
        if self._traces is None:
            return self._about(facts)
        if self._defects is None:
            return self._traces.span(name, facts, side)
        return self._span(name, facts, side)

    @contextmanager
    def _span(self, name: str, facts: Facts, side: Side) -> Iterator[Span]:
        assert self._traces is not None, "there are spans"
        with self._about(facts), self._traces.span(name, facts, side) as span:
            yield span

    @contextmanager
    def _about(self, facts: Facts) -> Iterator[Span]:
        if self._defects is None:
            yield Span()
            return
        with self._defects.about(facts):
            yield Span()

    def about(self, facts: Facts) -> AbstractContextManager[object]:
        """Say what the work is about that is under way, while the context is open."""
        self.note(facts)
        return self._about(facts)

    def following(self, traceparent: str | None) -> AbstractContextManager[object]:
        """Have what is done inside be part of another trace; None: of none."""
        if self._traces is None:
            return super().following(traceparent)
        return self._traces.following(traceparent)

    def note(self, facts: Facts) -> None:
        """Add to what is told of the work that is under way."""
        if self._traces is not None:
            self._traces.note(facts)

    def link(self, traceparent: str | None) -> None:
        """Say that the work that is under way belongs with that of another trace."""
        if self._traces is not None and traceparent is not None:
            self._traces.link(traceparent)

    def traceparent(self) -> str | None:
        """Return what is under way, as W3C's header names it."""
        return self._traces.traceparent() if self._traces else None

    def report(self, error: BaseException, where: str) -> None:
        """Tell of an error that nobody foresaw."""
        foreseen = isinstance(error, PerdureError | RPCError) or is_outage(error)
        if self._defects is not None and isinstance(error, Exception) and not foreseen:
            self._defects.report(error, where, trace_id_of(self.traceparent()))

    @property
    def plugins(self) -> list[SimplePlugin]:
        """What a client of Temporal's needs to carry traces."""
        return [self._traces.plugin()] if self._traces else []

    @property
    def tells_of_errors(self) -> bool:
        """Whether somebody is told of errors."""
        return self._defects is not None


def observed() -> Observed | None:
    """Return who is told of this process's work; None: nobody."""
    found = telemetry()
    return found if isinstance(found, Observed) else None


def breakdown_reports(pool: Pool) -> list[Callable[[asyncio.Event], Awaitable[None]]]:
    """Return what reports operations that broke down, beside a worker's work."""
    told = observed()
    if told is None or not told.tells_of_errors:
        return []
    from perdure.observability.breakdowns import BreakdownReports  # noqa: PLC0415
    from perdure.observability.sentry import send  # noqa: PLC0415

    return [BreakdownReports(pool, send).run]
