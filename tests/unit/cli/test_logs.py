"""Every line is JSON with the ids there are, and one that cannot be written breaks nothing."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from perdure.cli.logs import LogStream, configure_logging

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Whoever ran a command in this process before may have left them captured, by what is gone.
    logging.captureWarnings(capture=False)
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    logging.raiseExceptions = True
    root.handlers[:] = handlers
    root.setLevel(level)


def logging_to(stream: TextIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_all_loggers_write_json(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    logging_to(stream, monkeypatch)
    structlog.contextvars.bind_contextvars(request_id="req_1", actor=None)
    log.info("accepted", operation_id="pay_1")
    logging.getLogger("uvicorn.error").warning("Invalid %s.", "request")
    logging.getLogger("aiohttp").info("too much detail")
    details = {"temporal_activity": {"workflow_id": "pay_1", "attempt": 2}}
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("temporalio.activity").warning("failed", exc_info=True, extra=details)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("an old way", stacklevel=1)
    accepted, invalid, failed, warned = lines(stream)
    assert accepted.pop("timestamp").endswith("Z")
    assert accepted == {
        "event": "accepted",
        "level": "info",
        "request_id": "req_1",
        "operation_id": "pay_1",
    }
    assert (invalid["event"], invalid["logger"]) == ("Invalid request.", "uvicorn.error")
    assert invalid["request_id"] == "req_1"
    assert failed["workflow_id"] == "pay_1"
    assert "ValueError: two\nlines" in failed["exception"]
    assert "an old way" in warned["event"]


@pytest.mark.parametrize("kind", ["full disk", "closed", "none"])
def test_a_line_that_cannot_be_written_is_lost(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = None if kind == "none" else Path("/dev/full").open("w")  # noqa: SIM115
    if kind == "closed":
        assert stream is not None
        stream.close()
    logging_to(stream, monkeypatch)
    for _ in range(100):
        log.error("x" * 10_000)
        logging.getLogger("uvicorn.error").error("y" * 10_000)
    logging.getLogger("uvicorn.error").error("%d", "a word")
    monkeypatch.undo()
    if kind == "full disk":
        assert stream is not None
        with pytest.raises(OSError, match="No space left"):
            stream.close()


def test_a_person_gets_lines_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    logging_to(stream, monkeypatch)
    log.info("accepted", operation_id="pay_1")
    assert "accepted" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_a_stream_that_is_closed_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert LogStream(stream).isatty() is False
