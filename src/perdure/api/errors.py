"""The one mapping from errors to HTTP answers, in Stripe's shape.

`{"error": {"type", "code", "message", "param", "request_id"}}`. Clients branch on `code`.
"""

import json
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from temporalio.service import RPCError, RPCStatusCode

from perdure.api.validation_errors import explain
from perdure.core.errors import (
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    OperationCancelled,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    Refused,
    Unauthenticated,
)
from perdure.core.telemetry import telemetry
from perdure.storage.outages import Outage, outage_of

log = structlog.get_logger()

# A refusal is 402, a limit too: the request is well-formed, and the same request may pass another
# day or for another customer. What can never pass is 400.
_KINDS: Final[dict[type[PerdureError], tuple[int, str]]] = {
    InvalidInput: (400, "invalid_request_error"),
    Unauthenticated: (401, "authentication_error"),
    Refused: (402, "refused_error"),
    Forbidden: (403, "permission_error"),
    NotFound: (404, "invalid_request_error"),
    Conflict: (409, "conflict_error"),
    OperationCancelled: (409, "conflict_error"),
    IdempotencyMismatch: (422, "idempotency_error"),
    ProviderOutcomeUnknown: (503, "api_error"),
    ProviderRateLimited: (429, "rate_limit_error"),
    ProviderUnavailable: (503, "api_error"),
}

_OUTAGES: Final = {
    Outage.AWAY: "The database does not answer now",
    Outage.READ_ONLY: "The database takes no changes now",
    Outage.FULL: "The database has no room now",
    Outage.GAVE_WAY: "Another request was in the way of this one",
}

_ENGINE_AWAY: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as an answer."""

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, status: int, body: bytes | memoryview) -> "Problem":
        """Return an error from an answer."""
        told = json.loads(bytes(body))["error"]
        return cls(status, told["type"], told["code"], told["message"], told["param"])

    def body(self, request_id: str) -> bytes:
        """Return the answer's body."""
        error = {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "request_id": request_id,
        }
        return json.dumps({"error": error}).encode()

    def response(self, request_id: str) -> Response:
        """Return the answer."""
        return Response(
            self.body(request_id), self.status, self.headers, media_type="application/json"
        )


def problem_of(error: Exception) -> Problem:
    """Return the answer to an error; what is our own fault is logged here, and not told."""
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, ClientDisconnect):
        # The body was not sent whole. Nobody is there to read it, and it is no fault of ours.
        error = HTTPException(400)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, PerdureError):
        return _of_perdure(error)
    if (outage := outage_of(error)) is not None:
        log.error("database_away", outage=outage, error=repr(error))
        return _away("database_unavailable", _OUTAGES[outage])
    if _is_engine_away(error):
        log.error("engine_away", error=repr(error))
        return _away("engine_unavailable", "Temporal does not answer now")
    return _own_fault(error)


async def handle(request: Request, error: Exception) -> Response:
    """Answer an error that the framework raises by itself."""
    return problem_of(error).response(request.state.request_id)


def _of_perdure(error: PerdureError) -> Problem:
    known = next((cls for cls in type(error).__mro__ if cls in _KINDS), None)
    if known is None:
        return _own_fault(error)
    status, kind = _KINDS[known]
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, ProviderRateLimited):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s or 1)))
    if isinstance(error, ProviderOutcomeUnknown | ProviderUnavailable):
        headers["Retry-After"] = "2"
    return Problem(status, kind, error.code, error.message, error.param, headers)


def _of_validation(error: RequestValidationError) -> Problem:
    # The body is left as bytes where the content type does not say JSON.
    if isinstance(error.body, bytes):
        return Problem(
            415,
            "invalid_request_error",
            "unsupported_media_type",
            "Send JSON, with the header Content-Type: application/json.",
        )
    found = explain(error.errors())
    return Problem(400, "invalid_request_error", found.code, found.message, found.param)


_HTTP: Final = {
    400: ("invalid_json", "The body is not JSON in UTF-8; see that it is sent whole."),
    404: ("route_not_found", "There is nothing at this address; the routes are in /openapi.json."),
    405: ("method_not_allowed", "This address does not take this method; see the header Allow."),
    413: ("body_too_large", "The body is too large; send less in one request."),
}


def _of_http(error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    code, message = _HTTP.get(error.status_code, (phrase.lower().replace(" ", "_"), phrase + "."))
    return Problem(
        error.status_code,
        "api_error" if error.status_code >= 500 else "invalid_request_error",
        code,
        message,
        headers=dict(error.headers or {}),
    )


def _is_engine_away(error: Exception) -> bool:
    if isinstance(error, RPCError):
        return error.status in _ENGINE_AWAY
    # What a lazy client raises when its first call finds nobody.
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")


def _away(code: str, what: str) -> Problem:
    return Problem(
        503,
        "api_error",
        code,
        f"{what}; send the request again, with the same Idempotency-Key if it has one.",
        headers={"Retry-After": "2"},
    )


def _own_fault(error: Exception) -> Problem:
    log.error("request_failed", error=repr(error), exc_info=error)
    telemetry().report(error, "request")
    return Problem(
        500,
        "api_error",
        "internal_error",
        "Something is wrong on our side, and it is on record. Give the request_id when you ask.",
    )
