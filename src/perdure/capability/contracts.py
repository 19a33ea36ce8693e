"""What the steps of all kinds that an account pays for answer.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field

from perdure.core.errors import OperationCancelled, PerdureError


@dataclass(frozen=True, slots=True)
class Held:
    """What the step that sets the money aside did.

    Args:
        hold_id: The pending transfer in the ledger.
    """

    hold_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation is closed without success, or was to be.

    Args:
        cancelled: Somebody asked for it; otherwise it failed.
    """

    code: str
    message: str
    cancelled: bool = False
    param: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How an operation ended, and who is to be told.

    Args:
        status: `succeeded`, `failed` or `cancelled`.
    """

    status: str
    failure: Failure | None = None
    notification_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FirstTry:
    """What came of running all of an operation's steps in one go.

    Args:
        end: None: the workflow goes on, step by step.
        untold: The messages that could not be delivered on the way.
    """

    end: End | None = None
    untold: list[str] = field(default_factory=list)


def failure_of(error: PerdureError) -> Failure:
    """Return an error as the reason an operation is closed for."""
    return Failure(error.code, error.message, isinstance(error, OperationCancelled), error.param)
