"""What a reconciliation and its breaks are given, and the names by which they are run.

Old histories decode into these: a field is only ever added, with a default. A day is written as
2030-01-31.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

from perdure.core.notes import Note
from perdure.operations.model import HOUSE

KIND: Final = "reconciliation"
PLURAL: Final = "reconciliations"
ID_PREFIX: Final = "rec"
WORKFLOW: Final = "Reconciliation"

BREAK_KIND: Final = "reconciliation_break"
BREAKS_PLURAL: Final = "reconciliation-breaks"
BREAK_ID_PREFIX: Final = "brk"
BREAK_WORKFLOW: Final = "ReconciliationBreak"

BEGIN: Final = "reconciliation.begin"
LOAD_FOLDER: Final = "reconciliation.load_folder"
READ_BOOKS: Final = "reconciliation.read_books"
STAGE: Final = "reconciliation.stage"
CUT: Final = "reconciliation.cut"
COMPARE: Final = "reconciliation.compare"
COMPARE_STRETCH: Final = "reconciliation.compare_stretch"
FINISH: Final = "reconciliation.finish"
CLOSE: Final = "reconciliation.close"

STATEMENT_ID_PREFIX: Final = "stm"
UPLOAD_ID_PREFIX: Final = "upl"


@dataclass(frozen=True, slots=True)
class ReconciliationRequest:
    """What is asked for: the books of one day, compared.

    Args:
        again: Which further run of the day it is; 0: the first.
    """

    day: str
    customer_id: str = HOUSE
    again: int = 0


@dataclass(frozen=True, slots=True)
class ReconciliationOptions:
    """How it is carried out, as it was set when it was accepted.

    Args:
        batch: How many accounts are compared in one commit.
        at_once: How many batches at a time.
        pause_s: How long after each the next one waits.
        run_batches: After how many its workflow goes on as a new run, so that no history grows with
            the number of accounts.
    """

    batch: int = 100
    at_once: int = 4
    pause_s: float = 0.1
    run_batches: int = 200


@dataclass(frozen=True, slots=True)
class ReconciliationProgress:
    """How far a run is, carried from one run of its workflow to the next.

    Args:
        after: The last account that was given out; empty: none.
        accounts: How many were compared.
        breaks: How many breaks were found, open ones found again included.
    """

    after: str = ""
    accounts: int = 0
    breaks: int = 0


@dataclass(frozen=True, slots=True)
class ReconciliationInput:
    """A reconciliation to be carried out.

    Args:
        progress: None: it begins.
        cutoff: What was posted before then is compared; None: that is still to be fixed.
    """

    operation_id: str
    request: ReconciliationRequest
    options: ReconciliationOptions = field(default_factory=ReconciliationOptions)
    progress: ReconciliationProgress | None = None
    cutoff: datetime | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first step fixed.

    Args:
        sources: Whose own books are read, by their names.
    """

    cutoff: datetime
    sources: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReadBooks:
    """Whose books are to be read."""

    operation_id: str
    source: str
    day: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Our entries up to a moment are to be given out.

    Args:
        sources: Whose own books are compared.
    """

    operation_id: str
    cutoff: datetime
    sources: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cut:
    """The accounts beyond one are to be cut into batches.

    Args:
        batches: As many at most.
    """

    operation_id: str
    after: str
    batch: int
    batches: int


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches: each begins beyond an account, and ends with one.

    Args:
        ends: The last account of each, in order.
    """

    ends: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """The accounts of a batch: beyond `after`, up to `through`."""

    operation_id: str
    day: str
    cutoff: datetime
    after: str
    through: str


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """What came of a batch."""

    accounts: int
    breaks: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches to be compared one after the other: beyond `after`, each up to one of `ends`.

    Args:
        pause_s: How long after each the next one waits.
    """

    operation_id: str
    day: str
    cutoff: datetime
    after: str
    ends: list[str]
    pause_s: float


@dataclass(frozen=True, slots=True)
class StretchEnd:
    """What came of a stretch.

    Args:
        batches: How many it compared: all of them, or as many as its time was enough for.
    """

    batches: int
    accounts: int
    breaks: int


@dataclass(frozen=True, slots=True)
class BreakRequest:
    """A break, as it was found, and what a person makes of it.

    Args:
        source: Whose statement it is about.
        account_id: Our account.
        found_on: The day that was compared.
        found_by: The reconciliation that found it.
        follows: An earlier break of the same, whose time was over.
        resolution: How it is resolved; null: it is not yet.
    """

    source: str
    account_id: str
    found_on: str
    found_by: str
    customer_id: str = HOUSE
    follows: str | None = None
    resolution: Annotated[dict[str, Any] | None, Note(correctable=True)] = None


@dataclass(frozen=True, slots=True)
class BreakInput:
    """A break that is to be resolved as its request says."""

    operation_id: str
    request: BreakRequest
