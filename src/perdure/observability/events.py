"""Errors as Sentry's events."""

from typing import Any, Final
from uuid import UUID, uuid5

from perdure.core.telemetry import trace_id_of
from perdure.operations.breakdowns import Breakdown

_EVENTS: Final = UUID("6f1c4a52-3f0e-5b0c-9d3c-0a4c1d7f2b11")


def exception(raised: dict[str, Any]) -> dict[str, Any]:
    """Return where an error was raised (`core.raised`), as Sentry has it."""
    frames = [
        {"module": one["module"], "function": one["function"], "lineno": one["line"]}
        for one in raised["frames"]
    ]
    return {"type": raised["type"], "stacktrace": {"frames": frames}}


def breakdown_event(found: Breakdown) -> dict[str, Any]:
    """Return the event of an operation that broke down; it is the same each time."""
    tags = {
        "id": found.operation_id,
        "kind": found.kind,
        "step": found.step,
        "attempt": found.attempt,
        "code": found.code,
        "status": found.status,
        "trace_id": trace_id_of(found.traceparent),
    }
    error = exception(found.raised) if found.raised else {"type": found.code}
    return {
        "event_id": uuid5(_EVENTS, f"{found.operation_id}:{found.id}").hex,
        "timestamp": found.at.isoformat(),
        "level": "error",
        "fingerprint": [found.kind, found.step or "-", found.code],
        "exception": {"values": [error | {"module": found.kind}]},
        "tags": {name: str(value) for name, value in tags.items() if value is not None},
    }
