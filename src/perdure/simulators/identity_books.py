"""The simulated verifier's own books: every check, and what became of it."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from perdure.simulators.journal import Journal, Record

_UNTOLD: Final = frozenset({"plan", "callback_url", "is_silent"})
"""What the verifier keeps for itself."""


@dataclass(slots=True)
class Check:
    """A check as the verifier keeps it.

    Args:
        plan: The states that are yet to come by themselves.
        private_comment: What its people write for one another.
        is_silent: It tells nobody.
    """

    id: str
    reference: str
    customer_id: str
    full_name: str
    birth_date: str
    country: str
    created_at: float
    plan: list[str]
    input_url: str | None = None
    callback_url: str | None = None
    is_silent: bool = False
    status: str = "created"
    wanted: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    private_comment: str | None = None
    approved_until: str | None = None

    def view(self) -> Record:
        """Return what is told of it to who asks."""
        return {name: value for name, value in asdict(self).items() if name not in _UNTOLD}


class IdentityBooks:
    """What the verifier knows, in memory, and how it came to be, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._checks: dict[str, Check] = {}
        for record in journal.records():
            self._apply(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record_check(self, check: Check) -> Check:
        """Keep a new check."""
        self._record({"kind": "check", **asdict(check)})
        return self._checks[check.reference]

    def record_change(self, check: Check, **changes: Any) -> None:
        """Keep what has become of a check."""
        self._record({"kind": "change", "reference": check.reference, "changes": changes})

    def check_of(self, reference: str) -> Check | None:
        """Return the check under a reference."""
        return self._checks.get(reference)

    def checks(self) -> list[Check]:
        """Return all checks, the oldest first."""
        return list(self._checks.values())

    def totals(self) -> dict[str, int]:
        """Return how many checks stand how."""
        return dict(Counter(check.status for check in self._checks.values()))

    def _record(self, record: Record) -> None:
        self._journal.write(record)
        self._apply(dict(record))

    def _apply(self, record: Record) -> None:
        if record.pop("kind") == "check":
            self._checks[record["reference"]] = Check(**record)
            return
        check = self._checks[record["reference"]]
        for name, value in record["changes"].items():
            setattr(check, name, value)
