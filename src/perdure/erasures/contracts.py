"""What an erasure is given, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass
from typing import Final

KIND: Final = "erasure"
ID_PREFIX: Final = "era"
WORKFLOW: Final = "Erasure"

SETTLE_DOWN: Final = "erasure.settle_down"
ERASE_MENTIONS: Final = "erasure.erase_mentions"
EMPTY_FIELDS: Final = "erasure.empty_fields"
RETIRE_KEYS: Final = "erasure.retire_keys"
DELETE_KEYS: Final = "erasure.delete_keys"
CLOSE: Final = "erasure.close"


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """What is asked for: that nobody can tell any more who a customer was."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class ErasureInput:
    """The workflow's input, and each step's."""

    operation_id: str
    request: ErasureRequest


@dataclass(frozen=True, slots=True)
class Erased:
    """What a step did.

    Args:
        rows: How many rows it changed.
    """

    rows: int = 0
