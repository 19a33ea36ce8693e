"""What surrounds every request: its id, the limit on its size, its line in the log."""

import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.api.errors import problem_of
from perdure.core.claim import claiming
from perdure.core.ids import REQUEST, new_id
from perdure.core.metrics import OTHER, Histogram
from perdure.core.request_id import answering
from perdure.core.telemetry import telemetry

log = structlog.get_logger()

_HEADER: Final = "x-request-id"
_ID_LENGTH_MAX: Final = 128
_PATH_LENGTH_MAX: Final = 200
_NOT_KNOWN_YET: Final = {"actor": None, "operation_id": None, "workflow_id": None}
"""What handling the request finds out, for its line in the log."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DURATION: Final = Histogram(
    "perdure_http_request_duration_seconds",
    "How long requests took until they were answered, by the route as it is declared.",
    *("method", "route", "status"),
)
NOT_TOLD: Final = frozenset({"/healthz", "/readyz"})
"""What is asked every few seconds, and is in no log and no trace."""


class RequestContext:
    """Outermost of the application: no error passes it unanswered.

    Args:
        app: The application.
        body_bytes_max: The largest body taken, by its Content-Length. One that comes in chunks is
            counted by Starlette's own limit, further in.
    """

    def __init__(self, app: ASGIApp, *, body_bytes_max: int) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer whatever error comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get(_HEADER))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        started_s = time.perf_counter()
        answered_s = 0.0

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered_s
            if message["type"] == "http.response.start":
                status, answered_s = message["status"], time.perf_counter() - started_s
                found = structlog.contextvars.get_contextvars()
                telemetry().note({"operation_id": found.get("operation_id")})
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        with (
            answering(request_id),
            claiming(None),
            structlog.contextvars.bound_contextvars(request_id=request_id, **_NOT_KNOWN_YET),
        ):
            try:
                self._check_length(headers)
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if status:
                    raise
                response = problem_of(error).response(request_id)
                await response(scope, receive, send_with_id)
            finally:
                if scope["path"] not in NOT_TOLD:
                    if status:
                        DURATION.observe(answered_s, **_labels(scope, status))
                    log.info(
                        "request",
                        method=scope["method"],
                        # As it was sent, percent-encoded: nothing in it can break the line.
                        path=_cut(scope["raw_path"].decode("ascii", "replace")),
                        status=status,
                        duration_ms=round((time.perf_counter() - started_s) * 1000, 1),
                    )

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._body_bytes_max:
            raise HTTPException(413)


def _labels(scope: Scope, status: int) -> dict[str, str]:
    # A path that no route has is anybody's invention.
    route, method = getattr(scope.get("route"), "path", OTHER), scope["method"]
    return {
        "method": method if method in _METHODS else OTHER,
        "route": route,
        "status": str(status),
    }


def _cut(path: str) -> str:
    return path if len(path) <= _PATH_LENGTH_MAX else f"{path[:_PATH_LENGTH_MAX]}…"


def _request_id(given: str | None) -> str:
    """Return the caller's own id if it can be put into a log line, else a new one."""
    if given and len(given) <= _ID_LENGTH_MAX and given.isascii() and given.isprintable():
        return given
    return new_id(REQUEST)
