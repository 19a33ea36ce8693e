"""Domain errors survive the trip through Temporal, and only the worthwhile are tried again."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.core import errors
from perdure.core.errors import (
    InsufficientFunds,
    InvalidInput,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    TurnPending,
)
from perdure.durable.failures import DATABASE_AWAY, to_domain_error, to_failure
from perdure.durable.interceptors.operation_sync import OperationSync

EVERY_ERROR = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, PerdureError)
]


@pytest.mark.parametrize("error_class", EVERY_ERROR)
def test_an_error_comes_back_as_it_was(error_class: type[PerdureError]) -> None:
    error = error_class("What is wrong.", code="some_code", param="field")
    back = to_domain_error(to_failure(error))
    assert type(back) is error_class
    assert (back.message, back.code, back.param) == ("What is wrong.", "some_code", "field")


@pytest.mark.parametrize("error", [InvalidInput("x"), InsufficientFunds("x")])
def test_an_answer_is_not_tried_again_e6(error: PerdureError) -> None:
    assert to_failure(error).non_retryable


@pytest.mark.parametrize("error", [ProviderUnavailable("x"), ProviderOutcomeUnknown("x")])
def test_what_gave_no_answer_is_tried_again_e6(error: PerdureError) -> None:
    assert not to_failure(error).non_retryable


def test_a_provider_that_asks_to_wait_is_given_the_time() -> None:
    failure = to_failure(ProviderRateLimited("x", retry_after_s=7))
    assert failure.next_retry_delay == timedelta(seconds=7)


def test_a_defect_is_an_internal_error() -> None:
    error = to_domain_error(ApplicationError("boom", type="KeyError"))
    assert type(error) is PerdureError
    assert error.code == "internal_error"


def test_a_step_whose_tries_are_used_up_is_not_tried_again_e6() -> None:
    error = ProviderUnavailable("x")
    error.is_last = True
    assert to_failure(error).non_retryable


def test_a_turn_that_has_not_come_is_waited_for_or_begun_anew() -> None:
    again = to_failure(TurnPending("x", retry_after_s=5))
    assert (again.non_retryable, again.next_retry_delay) == (False, timedelta(seconds=5))
    assert to_failure(TurnPending("x")).non_retryable


@pytest.mark.parametrize("error", [ConnectionRefusedError(), asyncpg.ReadOnlySQLTransactionError()])
async def test_our_own_outage_is_waited_out_and_soon_over(error: Exception) -> None:
    """Five attempts, all `ConnectionRefusedError` of PostgreSQL, failed payments for good."""

    async def execute(_input: Any) -> None:
        raise error

    inbound = OperationSync(None).intercept_activity(execute)  # type: ignore[arg-type]
    inbound.next = SimpleNamespace(execute_activity=execute)  # type: ignore[assignment]
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=50, workflow_id="no-operation")
    given: Any = SimpleNamespace(fn=execute)
    with pytest.raises(ApplicationError) as caught:
        await environment.run(inbound.execute_activity, given)
    assert (caught.value.type, caught.value.non_retryable) == (DATABASE_AWAY, False)
    assert caught.value.next_retry_delay == timedelta(seconds=5)
