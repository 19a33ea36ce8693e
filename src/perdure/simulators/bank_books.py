"""The simulated bank's own books: every payout, recall and refusal."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from perdure.simulators.gateway_books import DUPLICATES_SHOWN_MAX
from perdure.simulators.journal import Journal, Record


@dataclass(slots=True)
class Payout:
    """A payout as the bank keeps it.

    One that was recalled before it was asked for has no amount, currency or destination.
    """

    id: str
    reference: str
    amount_minor: int
    currency: str
    destination: str
    created_at: float
    status: str
    failure_code: str | None = None

    def view(self) -> Record:
        """Return what the bank tells about it, and what it keeps."""
        # Written out: `asdict` copies deeply, which would be a tenth of what a payout costs.
        return {
            "id": self.id,
            "reference": self.reference,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "destination": self.destination,
            "created_at": self.created_at,
            "status": self.status,
            "failure_code": self.failure_code,
        }


class BankBooks:
    """What the bank knows, in memory, and how it came to be, in the journal.

    Every change is a record, applied the same way when it happens and when the journal is read
    again.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._payouts: dict[str, Payout] = {}
        self._payouts_of: defaultdict[str, list[Payout]] = defaultdict(list)
        self._refusals: Counter[str] = Counter()
        self._duplicates: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._paid_minor: Counter[str] = Counter()
        for record in journal.records():
            self._apply(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record_refusal(self, reference: str) -> None:
        """Keep that somebody asked for a payout, and nothing came of it."""
        self._record({"kind": "refusal", "reference": reference})

    def record_payout(self, payout: Payout) -> None:
        """Keep a new payout."""
        self._record({"kind": "payout", **payout.view()})

    def record_recall(self, payout: Payout) -> None:
        """Keep that a payout was taken back."""
        self._record({"kind": "recall", "payout_id": payout.id})

    def record_rebooking(self, payout: Payout, currency: str) -> None:
        """Keep a payout in another currency."""
        self._record({"kind": "rebooking", "payout_id": payout.id, "currency": currency})

    def attempts(self, reference: str) -> int:
        """Return how often a payout was asked for under a reference."""
        return self._refusals[reference] + len(self.payouts_of(reference))

    def payouts(self) -> list[Payout]:
        """Return all payouts, the oldest first."""
        return list(self._payouts.values())

    def payouts_of(self, reference: str) -> list[Payout]:
        """Return the payouts under a reference, the oldest first."""
        return self._payouts_of.get(reference, [])

    def totals(self) -> dict[str, Any]:
        """Return counts and sums; the cost does not grow with the books."""
        return {
            "payouts": {
                "count": self._counts["payout"],
                **{status: self._counts[status] for status in ("paid", "failed", "recalled")},
                "paid_minor": dict(self._paid_minor),
            },
            "refusals": self._counts["refusal"],
            "duplicates": {
                "count": len(self._duplicates),
                "references": list(self._duplicates)[:DUPLICATES_SHOWN_MAX],
            },
        }

    def _record(self, record: Record) -> None:
        self._journal.write(record)
        self._apply(dict(record))

    def _apply(self, record: Record) -> None:
        kind = record.pop("kind")
        self._counts[kind] += 1
        match kind:
            case "refusal":
                self._refusals[record["reference"]] += 1
            case "payout":
                self._apply_payout(Payout(**record))
            case "recall":
                payout = self._payouts[record["payout_id"]]
                self._counts[payout.status] -= 1
                self._counts["recalled"] += 1
                if payout.status == "paid":
                    self._paid_minor[payout.currency] -= payout.amount_minor
                payout.status = "recalled"
            case "rebooking":
                payout = self._payouts[record["payout_id"]]
                if payout.status == "paid":
                    self._paid_minor[payout.currency] -= payout.amount_minor
                    self._paid_minor[record["currency"]] += payout.amount_minor
                payout.currency = record["currency"]

    def _apply_payout(self, payout: Payout) -> None:
        self._payouts[payout.id] = payout
        self._counts[payout.status] += 1
        if payout.status == "paid":
            self._paid_minor[payout.currency] += payout.amount_minor
        same = self._payouts_of[payout.reference]
        same.append(payout)
        if len(same) > 1:
            self._duplicates[payout.reference] = len(same)
