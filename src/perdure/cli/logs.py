"""How the platform's processes log: one JSON object a line, or for people at a terminal.

All of them: also what the standard library's loggers are told (uvicorn, aiohttp, Temporal's SDK)
and what Python warns of. A line that cannot be written is lost, and nothing else.
"""

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from perdure.core.errors import PayloadUnreadable
from perdure.core.telemetry import telemetry, trace_id_of

_FOREIGN_LEVEL: Final = logging.WARNING


class LogStream:
    """A stream that takes whatever is written, also where its disk is full or it was closed.

    Args:
        stream: None, or any other that cannot be written to: nothing is.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if it can be done."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if it can be done."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        with suppress(ValueError):
            return self._stream is not None and self._stream.isatty()
        return False


def configure_logging() -> None:
    """Have this process log on stderr."""
    stream = LogStream(sys.stderr)
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_nothing,
    ]
    rendering = _for_people() if stream.isatty() else _for_machines()
    structlog.configure(
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),  # type: ignore[arg-type]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                _with_temporals_ids,
                _unreadable_in_a_line,
                *common,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    # What cannot be formatted is no reason to write a trace beside the log either.
    logging.raiseExceptions = False
    logging.basicConfig(level=_FOREIGN_LEVEL, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _for_machines() -> Sequence[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _for_people() -> Sequence[Processor]:
    return [structlog.dev.ConsoleRenderer()]


def _with_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add which trace a line is part of."""
    if (found := trace_id_of(telemetry().traceparent())) is not None:
        event.setdefault("trace_id", found)
    return event


def _without_nothing(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: value for name, value in event.items() if value is not None}


def _with_temporals_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add which workflow a line of Temporal's SDK is about, as all other lines name it."""
    for kind in ("temporal_workflow", "temporal_activity"):
        details = getattr(event.get("_record"), kind, None) or {}
        if "workflow_id" in details:
            event.setdefault("workflow_id", details["workflow_id"])
    return event


def _unreadable_in_a_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say which key is wrong or missing, and nothing of where Temporal's SDK met it."""
    found = event.get("exc_info")
    error = found[1] if isinstance(found, tuple) else None
    while error is not None and not isinstance(error, PayloadUnreadable):
        error = error.__cause__
    if error is not None:
        del event["exc_info"]
        event["error"] = error.message
    return event
