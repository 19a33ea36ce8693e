"""Every error has one answer."""

import json

import asyncpg
import pytest
from starlette.exceptions import HTTPException
from temporalio.service import RPCError, RPCStatusCode

from perdure.api.errors import problem_of
from perdure.core import errors
from perdure.core.errors import PerdureError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput("x"), 400),
        (errors.Unauthenticated("x"), 401),
        (errors.Refused("x"), 402),
        (errors.InsufficientFunds("x"), 402),
        (errors.LimitExceeded("x"), 402),
        (errors.ProviderDeclined("x"), 402),
        (errors.Forbidden("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.OperationCancelled("x"), 409),
        (errors.IdempotencyMismatch("x"), 422),
        (errors.ProviderRateLimited("x"), 429),
        (errors.ProviderUnavailable("x"), 503),
        (errors.ProviderOutcomeUnknown("x"), 503),
        (errors.ConfigurationError("x"), 500),
        (PerdureError("x"), 500),
        (HTTPException(404), 404),
        (HTTPException(405), 405),
        (HTTPException(413), 413),
        (ValueError("x"), 500),
        (ConnectionRefusedError("x"), 503),
        (TimeoutError("x"), 503),
        (asyncpg.InterfaceError("connection is closed"), 503),
        (asyncpg.InternalClientError("cannot switch to state 15; another operation (2)"), 503),
        (asyncpg.TooManyConnectionsError("x"), 503),
        (asyncpg.DeadlockDetectedError("x"), 503),
        (asyncpg.ReadOnlySQLTransactionError("x"), 503),
        (asyncpg.DiskFullError("x"), 503),
        (asyncpg.DataError("x"), 500),
        (asyncpg.UndefinedTableError("x"), 500),
        (RPCError("x", RPCStatusCode.UNAVAILABLE, b""), 503),
        (RPCError("x", RPCStatusCode.INVALID_ARGUMENT, b""), 500),
        (RuntimeError("Failed client connect: refused"), 503),
        (RuntimeError("x"), 500),
    ],
    ids=repr,
)
def test_an_error_has_its_status(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def every_error() -> list[type[PerdureError]]:
    found, new = [PerdureError], [PerdureError]
    while new:
        new = [child for parent in new for child in parent.__subclasses__()]
        found += new
    return found


@pytest.mark.parametrize("cls", every_error())
def test_what_is_not_the_callers_doing_is_not_told(cls: type[PerdureError]) -> None:
    problem = problem_of(cls("the password is hunter2", param="secret"))
    if problem.status == 500:
        assert problem.code == "internal_error"
        assert "hunter2" not in problem.message
        assert problem.param is None
    else:
        assert (problem.code, problem.param) == (cls.code, "secret")


def test_an_answer_has_stripes_shape() -> None:
    problem = problem_of(errors.NotFound("There is none.", code="payment_not_found", param="id"))
    assert json.loads(problem.body("req_1")) == {
        "error": {
            "type": "invalid_request_error",
            "code": "payment_not_found",
            "message": "There is none.",
            "param": "id",
            "request_id": "req_1",
        }
    }


def test_a_caller_is_told_how_to_go_on() -> None:
    limited = problem_of(errors.ProviderRateLimited("x", retry_after_s=2.1))
    assert limited.headers["Retry-After"] == "3"
    assert "Retry-After" in problem_of(errors.ProviderUnavailable("x")).headers
    assert "Retry-After" in problem_of(OSError()).headers
    assert "Retry-After" in problem_of(asyncpg.ReadOnlySQLTransactionError()).headers
    assert problem_of(errors.Unauthenticated("x")).headers["WWW-Authenticate"] == "Bearer"
    assert problem_of(HTTPException(405, headers={"Allow": "GET"})).headers["Allow"] == "GET"
