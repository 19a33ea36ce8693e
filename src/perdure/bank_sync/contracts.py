"""What a bank sync is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note

KIND: Final = "bank_sync"
ID_PREFIX: Final = "bks"
ITEM_PREFIX: Final = "bki"
WORKFLOW: Final = "BankSync"
PROGRESS: Final = "progress"
"""The workflow's query."""

FETCH_PAGE: Final = "bank_sync.fetch_page"
ENRICH: Final = "bank_sync.enrich"
CATEGORISE: Final = "bank_sync.categorise"
DETECT_ANOMALIES: Final = "bank_sync.detect_anomalies"
APPLY: Final = "bank_sync.apply"
CLOSE: Final = "bank_sync.close"

AGGREGATOR: Final = "aggregator"
"""As in its queue's name."""
UNAVAILABLE: Final = "aggregator_unavailable"
"""The code of a sync that has waited too long for it."""


@dataclass(frozen=True, slots=True)
class BankSyncRequest:
    """What the caller asks for."""

    customer_id: Annotated[str, Note(option="customer", help="Whose item it is.")]
    item_id: Annotated[
        str,
        Note(
            "The bank item that is read.",
            option="item",
            help="The item that is read, bki_….",
            in_summary=True,
        ),
    ]
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class BankSyncInput:
    """The workflow's input."""

    operation_id: str
    request: BankSyncRequest


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is.

    Args:
        pages: How many were read since its loop began.
        changes: What they told, all together.
        restarts: How often the loop had to begin anew.
        has_more: There are more pages.
    """

    pages: int = 0
    changes: int = 0
    restarts: int = 0
    has_more: bool = True


@dataclass(frozen=True, slots=True)
class Looked:
    """What one of the looks at all that was read came to.

    Args:
        transactions: How many it looked at.
        found: Of how many it says something.
    """

    transactions: int
    found: int


@dataclass(frozen=True, slots=True)
class BankSyncEnd:
    """How a sync ended.

    Args:
        status: `succeeded`, `failed` or `cancelled`.
        synced: How many transactions were added, changed or removed.
        flagged: How many of those stand out.
    """

    status: str
    synced: int = 0
    added: int = 0
    modified: int = 0
    removed: int = 0
    flagged: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class CloseSync:
    """The input of the step that ends a sync without success."""

    sync: BankSyncInput
    failure: Failure
