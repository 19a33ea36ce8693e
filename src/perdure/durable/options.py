"""The named profiles of time-outs and retries; no call states its own.

A refusal is never retried: `durable.failures` marks it so.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import (
    ActivityCancellationType,
    ActivityConfig,
    LocalActivityConfig,
)

AHEAD: Final = 2
"""The priority of what ends something, before what begins."""
BEHIND_INTERACTIVE: Final = 4
"""The priority of what came as a flood; what a person waits for has Temporal's default, 3."""

BACKOFF: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=["InvalidInput", "InsufficientFunds"],
)
"""How long an outside system is left alone between two tries."""

_OUTSIDE: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=BACKOFF,
    # A call is never abandoned half way: its fate is found out.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)

DATABASE_STEP: Final = LocalActivityConfig(
    # A step is some statements; a database that is away is waited for, up to an hour.
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30)
    ),
    # Beyond this the wait is a timer in the history, and no workflow task is held open for it.
    local_retry_threshold=timedelta(seconds=5),
)
"""Work on our own database, done in the workflow's worker."""

FIRST_TRY: Final = LocalActivityConfig(
    # Longer than any provider's time-out, so that the try itself tells what came of it.
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
"""One call to a quick provider, made in the workflow's worker; its queue has the other tries."""

PROVIDER_CALL: Final = _OUTSIDE
"""A call to the outside that has an effect, or on whose answer the next one rests.

Its tries are counted in its record, and end there (`interceptors.provider_tries`): Temporal would
count those that met our own database away, or never came to the provider.
"""

PROVIDER_CALL_SOON: Final[ActivityConfig] = {
    **_OUTSIDE,
    "retry_policy": replace(BACKOFF, maximum_interval=timedelta(seconds=5)),
}
"""The same where somebody waits for the answer: from 1 s to 5 s pass between two tries."""

PROVIDER_OPTIONAL: Final[ActivityConfig] = {
    **_OUTSIDE,
    "schedule_to_close_timeout": timedelta(minutes=2),
    "retry_policy": replace(BACKOFF, maximum_attempts=3),
}
"""A call that is as well left out: nothing waits for it, and nothing hangs on it."""

PROVIDER_INQUIRY: Final[ActivityConfig] = {
    **_OUTSIDE,
    # Money hangs on the answer, so it is asked for until a day is over; then a person looks.
    "schedule_to_close_timeout": timedelta(hours=24),
    # Most undo what never began, and cost the provider nothing.
    "priority": Priority(priority_key=AHEAD),
}
"""Finding out, or undoing, what a call did."""

NOTIFY: Final[ActivityConfig] = {**_OUTSIDE, "retry_policy": replace(BACKOFF, maximum_attempts=5)}
"""Telling somebody, while the operation's own workflow waits for it."""

NOTIFY_LATER: Final[ActivityConfig] = {
    **_OUTSIDE,
    "schedule_to_close_timeout": timedelta(days=7),
    "retry_policy": replace(
        BACKOFF, initial_interval=timedelta(seconds=2), maximum_interval=timedelta(hours=1)
    ),
}
"""Telling somebody whose mail or phone has been out of reach, for a week."""


LANE_RUN: Final = ActivityConfig(
    # One run ends by itself after a minute; what is left of the time is for slow providers.
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)
    ),
    priority=Priority(priority_key=BEHIND_INTERACTIVE),
)
"""A stretch of a lane."""

LONG_STEP: Final[ActivityConfig] = {
    **LANE_RUN,
    # What does not get done in a day, a person looks at.
    "schedule_to_close_timeout": timedelta(hours=24),
}
"""Work on our own database that is more than some statements."""


def on_queue(queue: str, profile: ActivityConfig) -> ActivityConfig:
    """Return a profile for activities that another queue's workers run."""
    return {**profile, "task_queue": queue}
