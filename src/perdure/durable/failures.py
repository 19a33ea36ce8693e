"""The one mapping between domain errors and Temporal failures, both ways.

The failure's type is the error's class name; code, message and field travel as its details.
"""

from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    ChildWorkflowError,
    FailureError,
)
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from perdure.core import errors
from perdure.core.errors import PerdureError, ProviderError, TurnPending

DATABASE_AWAY: Final = "DatabaseAway"
_DATABASE_AGAIN: Final = timedelta(seconds=1)
_DATABASE_AGAIN_MAX: Final = timedelta(seconds=5)

_ERRORS: Final[dict[str, type[PerdureError]]] = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, PerdureError)
}


def to_failure(error: PerdureError) -> ApplicationError:
    """Return a domain error as Temporal carries it.

    Only a provider that gave no answer, or whose turn has not come, is worth another try; any other
    error would come again.
    """
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    return ApplicationError(
        error.message,
        {"code": error.code, "message": error.message, "param": error.param},
        type=type(error).__name__,
        non_retryable=not _is_tried_again(error),
        next_retry_delay=timedelta(seconds=retry_after_s) if retry_after_s else None,
        # Foreseen, and on the operation's rows: no stack trace in the log for each.
        category=ApplicationErrorCategory.BENIGN,
    )


def _is_tried_again(error: PerdureError) -> bool:
    if isinstance(error, ProviderError):
        return not error.is_last
    return isinstance(error, TurnPending) and error.retry_after_s is not None


def database_away(error: Exception, info: activity.Info) -> ApplicationError:
    """Return our own outage as Temporal carries it: waited out, and soon over.

    It uses up no tries where the step's are counted in its record; a retry policy that counts by
    itself keeps its own pace.
    """
    policy = info.retry_policy
    counts = policy is not None and policy.maximum_attempts
    return ApplicationError(
        f"The database does not answer now ({type(error).__name__}).",
        type=DATABASE_AWAY,
        next_retry_delay=None
        if counts
        else min(_DATABASE_AGAIN * info.attempt, _DATABASE_AGAIN_MAX),
    )


def to_domain_error(failure: FailureError) -> PerdureError:
    """Return the domain error inside what an activity or a child workflow failed with.

    A failure that carries none (a time-out, a defect) is a plain `PerdureError`.
    """
    cause: BaseException = failure
    while isinstance(cause, (ActivityError, ChildWorkflowError)) and cause.cause is not None:
        cause = cause.cause
    if isinstance(cause, ApplicationError) and cause.type in _ERRORS and cause.details:
        details = cause.details[0]
        return _ERRORS[cause.type](details["message"], code=details["code"], param=details["param"])
    if isinstance(cause, TemporalTimeoutError):
        return PerdureError("It took too long.", code="timed_out")
    return PerdureError(str(cause), code="internal_error")
