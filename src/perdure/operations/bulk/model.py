"""A bulk: one action on many operations, itself an operation; its items and its progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from perdure.operations.model import Operation, Status

KIND: Final = "bulk"

RATE_PER_S_DEFAULT: Final = 50.0
RATE_PER_S_MIN: Final = 0.1
RATE_PER_S_MAX: Final = 10_000.0
UNCONFIRMED_MAX: Final = 100
"""A bulk over more operations needs their number confirmed."""

NOT_FOUND: Final = "not_found"
NOT_SELECTABLE: Final = "not_selectable"


class ItemState(StrEnum):
    """What became of one operation of a bulk."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    """The action said no; the operation is as it was."""
    FAILED = "failed"
    """A defect; the operation is as it was."""
    SKIPPED = "skipped"
    """The bulk was stopped before its turn."""


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """Which operations: those that all of this holds for; None: whatever it is.

    Args:
        failure_step: The step they failed at, or stopped at.
        provider: One that was called for them, or was to be.
        metadata: Texts that theirs contain.
    """

    kind: str | None = None
    status: Status | None = None
    failure_step: str | None = None
    failure_code: str | None = None
    provider: str | None = None
    customer_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_everything(self) -> bool:
        """Whether it has no criterion."""
        return self == BulkQuery()


@dataclass(frozen=True, slots=True)
class ListedIds:
    """Operations by their ids, more than one request names; see `lists`."""

    list_id: str


Selection = BulkQuery | ListedIds | tuple[str, ...]
"""A query, or operations by their ids, in the order in which they are acted on."""


@dataclass(frozen=True, slots=True)
class NewBulk:
    """A bulk to be accepted.

    Args:
        arguments: What the action takes beside the operation: a `patch`, say.
        confirm_count: The number of operations, as whoever asks for it knows it.
    """

    action: str
    reason: str
    selection: Selection
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rate_per_s: float = RATE_PER_S_DEFAULT
    confirm_count: int | None = None


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """What was asked for, as it is kept in the input of the bulk's operation.

    Args:
        query: None: the operations were named, or are those of the bulk that this one undoes.
        list_id: The list that names them; None: they were named at once, if they were.
    """

    action: str
    reason: str
    actor: str
    arguments: dict[str, Any] = field(default_factory=dict)
    query: BulkQuery | None = None
    undo_of: str | None = None
    list_id: str | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """A row of `bulks`, with its operation.

    Args:
        counted: How many operations matched when it was asked for; never more are selected.
        selected: How many items there are, so far.
        selected_through: Where the next batch of the selection begins.
        selected_at: When the selection was complete.
    """

    operation: Operation
    request: BulkRequest
    rate_per_s: float
    counted: int
    selected: int
    selected_through: str | None
    selected_at: datetime | None
    undo_of: str | None

    @property
    def id(self) -> str:
        """Its operation's."""
        return self.operation.id


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """Why an operation was not acted on."""

    state: ItemState
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One operation of a bulk, and what became of it.

    Args:
        number: Its place in the bulk.
        code: Why it was refused, or failed.
        new_operation_id: What a relaunch made of it.
    """

    number: int
    operation_id: str
    state: ItemState
    code: str | None
    message: str | None
    new_operation_id: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How many items are in which state.

    Args:
        codes: Why items were refused or failed, and how many for each reason.
    """

    pending: int = 0
    done: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    codes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What a selection matches now.

    Args:
        by_status: How many are in each status.
        sample: Some of them.
        unknown: How many ids there is no operation of.
        confirmation_needed: Whether a bulk over these needs their number confirmed.
    """

    count: int
    by_status: dict[str, int]
    by_kind: dict[str, int]
    sample: list[Operation]
    unknown: int
    confirmation_needed: bool
