"""What the identity service is asked, what it finds out, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

IDENTITY: Final = "identity"
"""The verifier, as in its queue's name."""

BEGIN_CHECK: Final = "identity.begin_check"
RESOLVE_CHECK: Final = "identity.resolve_check"
LOOK: Final = "identity.look_at_check"
CALL_OFF: Final = "identity.call_off_check"
RECORD: Final = "identity.record_check"
WAIT: Final = "identity.wait_for_check"
END_RECHECK: Final = "identity.end_recheck"

TOLD: Final = "identity_told"
"""The signal that there may be something new of a check."""
RECHECK_WORKFLOW: Final = "IdentityRecheck"

UNAVAILABLE: Final = "identity_unavailable"
"""The code where the verifier cannot be reached."""
DECLINED: Final = "identity_declined"
NOT_COMPLETED: Final = "identity_not_completed"
UNDECIDED: Final = "identity_undecided"

CHECKS_MAX: Final = 3
"""How many checks are begun where one expires, or breaks off at the verifier's."""


_REFERENCE: Final = re.compile(
    r"(?P<operation>[a-z]+_[0-9a-z]{26})(?:-again-(?P<again>[0-9]{1,9}))?(?:-[0-9]{1,9})?"
)


def recheck_workflow_id(operation_id: str, again: int) -> str:
    """Return the id of the workflow that checks somebody again whom an operation had checked."""
    return f"{operation_id}-recheck-{again}"


def who_waits(reference: str) -> tuple[str, str] | None:
    """Return whose check has a reference, and which workflow waits for it; None: it is none."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return None
    operation_id, again = found["operation"], found["again"]
    return operation_id, recheck_workflow_id(operation_id, int(again)) if again else operation_id


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How long is waited, in seconds; as it was in force when the operation was accepted.

    Args:
        inquiry_s: Until the verifier is asked for the first time; then it is asked ever more
            seldom.
        undecided_s: For a verdict, before a person looks.
    """

    inquiry_s: float = 30.0
    undecided_s: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A check of a customer's identity; who that is, is in the customer's profile.

    Args:
        operation_id: Whose it is.
        number: Which one of the operation's, from 1: another follows one that expired.
        again: The how manieth time this is, after approvals that ended.
    """

    operation_id: str
    customer_id: str
    options: CheckOptions = field(default_factory=CheckOptions)
    number: int = 1
    again: int = 0

    @property
    def reference(self) -> str:
        """Our reference at the verifier."""
        again = f"-again-{self.again}" if self.again else ""
        return f"{self.operation_id}{again}{f'-{self.number}' if self.number > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a check stands, as the verifier tells of it.

    Args:
        status: A `CheckState`.
        wanted: What the person is to show, in the verifier's codes.
        input_url: Where.
        reasons: Why it was declined, in the verifier's codes: for the house alone.
    """

    check_id: str
    status: str
    wanted: list[str] = field(default_factory=list)
    input_url: str | None = None
    reasons: list[str] = field(default_factory=list)
    approved_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a call to the verifier; None: it was not made, or has nothing to undo."""

    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class SeenCheck:
    """What is recorded of a check.

    Args:
        asked: How often the person was asked for something in this check, this time included.
    """

    check: IdentityCheck
    seen: Seen
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """For how long a check is waited for, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RecheckEnd:
    """Why a check that was made again did not end with an approval.

    Args:
        is_final: It was refused; otherwise nothing is known yet, and it is tried on.
    """

    check: IdentityCheck
    code: str
    message: str
    is_final: bool = True
