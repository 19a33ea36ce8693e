"""What the simulated services' books have in common."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode

from perdure.simulators.grpc_faults import Fault
from perdure.simulators.journal import Journal, Record

_DUPLICATES_SHOWN_MAX: Final = 100


class No(Exception):
    """A refusal.

    Args:
        reason: Stable, as the `.proto` file has it.
    """

    def __init__(self, reason: str, code: StatusCode = StatusCode.FAILED_PRECONDITION) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Exists(Exception):
    """There is something under the reference already."""


class Kept(Protocol):
    """Something that is kept under a reference."""

    reference: str


Thing = TypeVar("Thing", bound=Kept)


class Shelf(Generic[Thing]):
    """Things in the order in which they came to be, by their references."""

    def __init__(self) -> None:
        self.all: list[Thing] = []
        self._of: defaultdict[str, list[Thing]] = defaultdict(list)
        self._duplicates: dict[str, int] = {}

    def keep(self, thing: Thing) -> None:
        """Keep one more."""
        self.all.append(thing)
        same = self._of[thing.reference]
        same.append(thing)
        if len(same) > 1:
            self._duplicates[thing.reference] = len(same)

    def of(self, reference: str) -> list[Thing]:
        """Return what is kept under a reference, the oldest first."""
        return self._of.get(reference, [])

    def first(self, reference: str) -> Thing | None:
        """Return the first of them."""
        return next(iter(self.of(reference)), None)

    def duplicates(self) -> dict[str, object]:
        """Return which references something was made under more than once."""
        shown = list(self._duplicates)[:_DUPLICATES_SHOWN_MAX]
        return {"count": len(self._duplicates), "references": shown}


class Books:
    """What a service knows, in memory, and how it came to be, in the journal.

    Every change is a record, applied the same way when it happens and when the journal is read
    again. Inherit it, and write `_apply`, whose state is there before `read` is called.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.counts: Counter[str] = Counter()

    def read(self) -> None:
        """Read the journal."""
        for record in self._journal.records():
            self._take(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record(self, kind: str, **content: object) -> None:
        """Keep that something happened."""
        record: Record = {"kind": kind, **content}
        self._journal.write(record)
        self._take(record)

    def totals(self) -> dict[str, Any]:
        """Return counts and sums."""
        raise NotImplementedError

    def _take(self, record: Record) -> None:
        kind = record.pop("kind")
        self.counts[kind] += 1
        self._apply(kind, record)

    def _apply(self, kind: str, record: Record) -> None:
        raise NotImplementedError


def lie(answer: Message, fault: Fault, fields: Mapping[Fault, str]) -> None:
    """Change the field of an answer that a fault is about."""
    name = fields.get(fault)
    if name is None or name not in answer.DESCRIPTOR.fields_by_name:
        return
    said = getattr(answer, name)
    if fault is Fault.UNKNOWN_STATUS:
        setattr(answer, name, 99)
    elif isinstance(said, int):
        setattr(answer, name, said * 100)
    elif name == "currency":
        setattr(answer, name, "EUR" if said == "JPY" else "JPY")
    else:
        setattr(answer, name, f"{said}-other")
