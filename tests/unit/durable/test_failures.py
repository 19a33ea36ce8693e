"""Domain errors survive the trip through Temporal, and only the worthwhile are tried again."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from perdure.core import errors
from perdure.core.errors import (
    InsufficientFunds,
    InvalidInput,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.durable.failures import to_domain_error, to_failure

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
