"""How a check of somebody's identity stands: one model, whatever words a verifier has."""

from enum import StrEnum
from typing import Final


class CheckState(StrEnum):
    """Where a check stands.

    That the person has completed their part is `PROCESSING`: nobody has judged it yet.
    """

    CREATED = "created"
    AWAITING_INPUT = "awaiting_input"
    """The person has something to do at the verifier's."""
    PROCESSING = "processing"
    IN_REVIEW = "in_review"
    """People look at it, which may take days."""
    APPROVED = "approved"
    DECLINED = "declined"
    RESUBMISSION_REQUESTED = "resubmission_requested"
    """What the person has shown is not enough: they are to show something else."""
    EXPIRED = "expired"
    """It was not completed in time, or was called off."""
    ERROR = "error"
    """It broke off at the verifier's, and says nothing of the person."""


ENDED: Final = frozenset(
    {CheckState.APPROVED, CheckState.DECLINED, CheckState.EXPIRED, CheckState.ERROR}
)
"""The states of a check of which nothing more comes."""

ASKS_THE_PERSON: Final = frozenset({CheckState.AWAITING_INPUT, CheckState.RESUBMISSION_REQUESTED})
"""The states in which it waits for the person."""
