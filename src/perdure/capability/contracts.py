"""What all kinds that an account pays for are asked for, and what their steps answer.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from typing import Annotated

from perdure.core.errors import OperationCancelled, PerdureError
from perdure.core.notes import Note
from perdure.notifications.contracts import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRequest:
    """What is asked for of any such kind; inherit it, and add what is the kind's own."""

    customer_id: Annotated[str, Note(option="customer", help="Whose money it is.")]
    account_id: Annotated[
        str,
        Note(
            "The customer's account that the money comes from.",
            option="account",
            help="The account it comes from, acc_….",
        ),
    ]
    amount_minor: int
    currency: Annotated[str, Note(option_default="USD")]
    customer: Annotated[Party, Note("Who is told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    reference: str | None = None
    description: Annotated[str, Note(correctable=True, free_text=True)] = ""


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
