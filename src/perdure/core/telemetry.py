"""What a process tells of its work while it does it: spans, and defects. Off, it tells nothing.

Parts say here what they do; who is told, and how much of it, is `observability`'s.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum, auto
from typing import Final

Fact = str | int
Facts = Mapping[str, Fact | None]
"""What is told of a piece of work, by name: `operation_id`, `kind`, `step`, `attempt`, `outcome`,
`code`, `status`; one with a dot is a name of OpenTelemetry's own."""


TRACEPARENT: Final = "traceparent"
"""The header, or the metadata, by which a call says what it is part of (W3C Trace Context)."""


class Side(Enum):
    """Which side of a call a span is of."""

    WITHIN = auto()
    ASKED = auto()
    """What a server does for who asked it."""
    ASKING = auto()
    """What a client waits for."""


class Span:
    """A piece of work that is under way; this one is told to nobody."""

    def note(self, facts: Facts) -> None:
        """Add to what is told of it."""


_UNTOLD: Final = nullcontext(Span())


class Telemetry:
    """Tells nobody anything: what a process has where nothing is set."""

    traces = False
    """Whether there are spans at all."""

    def span(
        self, name: str, facts: Facts, *, side: Side = Side.WITHIN
    ) -> AbstractContextManager[Span]:
        """Tell of a piece of work, while the context is open."""
        return _UNTOLD

    def about(self, facts: Facts) -> AbstractContextManager[object]:
        """Say what the work is about that is under way, while the context is open."""
        return _UNTOLD

    def following(self, traceparent: str | None) -> AbstractContextManager[object]:
        """Have what is done inside be part of another trace; None: of none."""
        return _UNTOLD

    def note(self, facts: Facts) -> None:
        """Add to what is told of the work that is under way."""

    def link(self, traceparent: str | None) -> None:
        """Say that the work that is under way belongs with that of another trace."""

    def traceparent(self) -> str | None:
        """Return what is under way, as W3C's header names it; None: nothing is traced."""
        return None

    def carried(self) -> dict[str, str]:
        """Return the headers by which a call says what it is part of."""
        found = self.traceparent()
        return {TRACEPARENT: found} if found else {}

    def report(self, error: BaseException, where: str) -> None:
        """Tell of an error that nobody foresaw, and that no operation's row will tell of.

        What is no defect (an outage, an error of `core.errors`) is left out.
        """


_current = Telemetry()


def telemetry() -> Telemetry:
    """Return who is told of this process's work."""
    return _current


def tell(found: Telemetry) -> None:
    """Have somebody be told of this process's work from now on."""
    global _current  # noqa: PLW0603 - as logging, it is the process's own
    _current = found


def trace_id_of(traceparent: str | None) -> str | None:
    """Return which trace a `traceparent` is of."""
    return traceparent.split("-")[1] if traceparent else None
