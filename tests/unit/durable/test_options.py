"""The named profiles of time-outs and retries (E-6)."""

from datetime import timedelta

import pytest
from temporalio.workflow import ActivityConfig, LocalActivityConfig

from perdure.durable import options
from perdure.identity.process import BEGINNINGS
from perdure.onboarding.wiring import TRIES_MAX as TRIES_OF_A_CHECK
from perdure.operations.waiting import TRIES_MAX

PROFILES = {
    name: profile
    for name, profile in vars(options).items()
    if name.isupper() and not name.startswith("_") and isinstance(profile, dict)
}
OWN_WORKERS = {"DATABASE_STEP", "FIRST_TRY", "LANE_RUN", "LONG_STEP"}
CALLS = {name: profile for name, profile in PROFILES.items() if name not in OWN_WORKERS}


def test_a_provider_is_called_as_the_common_policy_says_e6() -> None:
    retry = options.PROVIDER_CALL["retry_policy"]
    assert retry is not None
    assert retry.initial_interval == timedelta(seconds=1)
    assert retry.backoff_coefficient == 2.0
    assert retry.maximum_interval == timedelta(minutes=1)
    # They are counted in their record, where our own outages use up none.
    assert retry.maximum_attempts == 0
    assert TRIES_MAX == 5
    assert set(retry.non_retryable_error_types or []) == {"InvalidInput", "InsufficientFunds"}


def test_an_identity_check_is_asked_for_three_times_within_seconds_e6() -> None:
    retry = options.PROVIDER_CALL_SOON["retry_policy"]
    assert retry is not None
    assert retry.initial_interval == timedelta(seconds=1)
    assert retry.maximum_interval == timedelta(seconds=5)
    assert TRIES_OF_A_CHECK == 3
    assert all(begin.tried_soon for begin in BEGINNINGS)


@pytest.mark.parametrize("name", CALLS)
def test_every_call_to_the_outside_has_its_time_outs_e6(name: str) -> None:
    profile = CALLS[name]
    assert profile["start_to_close_timeout"] == timedelta(seconds=30)
    assert profile["heartbeat_timeout"] == timedelta(seconds=5)


def test_a_first_try_is_one_try_and_outlasts_the_providers_own_time_out() -> None:
    retry = options.FIRST_TRY["retry_policy"]
    assert retry is not None
    assert retry.maximum_attempts == 1
    assert options.FIRST_TRY["start_to_close_timeout"] == timedelta(seconds=30)


ENDED_ELSEWHERE = {"LANE_RUN", "LONG_STEP", "PROVIDER_CALL", "PROVIDER_CALL_SOON"}
"""A lane, and what is done in stretches, goes on as long as something is left to do; the tries of a
call, and its patience, end it (`interceptors.provider_tries`)."""


@pytest.mark.parametrize("name", sorted(PROFILES.keys() - ENDED_ELSEWHERE))
def test_no_profile_is_tried_for_ever(name: str) -> None:
    profile = PROFILES[name]
    attempts = profile["retry_policy"].maximum_attempts
    assert attempts or profile.get("schedule_to_close_timeout")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_only_keys_that_temporal_knows(name: str) -> None:
    kind = LocalActivityConfig if name == "DATABASE_STEP" else ActivityConfig
    assert set(PROFILES[name]) <= set(kind.__annotations__)
