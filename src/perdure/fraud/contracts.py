"""What the fraud service is asked, and what it answers."""

from dataclasses import dataclass, field
from typing import Final

WORKFLOW: Final = "FraudCheck"
"""Of payments that began before `versions.FIRST_TRIES`."""
WORKFLOW_FIRST_TRY: Final = "FraudCheckAtOnce"
SCORE: Final = "fraud.score"
SCORE_FIRST_TRY: Final = "fraud.score_at_once"
SCORER: Final = "fraud-scorer"
"""The provider, as in its queue's name."""


def workflow_id(operation_id: str) -> str:
    """Return the id of the check of one operation."""
    return f"{operation_id}-fraud"


@dataclass(frozen=True, slots=True)
class FraudCheck:
    """What is judged."""

    operation_id: str
    customer_id: str
    amount_minor: int
    currency: str
    payment_method: str


@dataclass(frozen=True, slots=True)
class FraudVerdict:
    """The judgement.

    Args:
        score: 0 (no suspicion) to 100.
    """

    passed: bool
    score: int
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FirstTry:
    """What came of asking where the workflow runs; None: its queue is left to ask."""

    verdict: FraudVerdict | None = None
