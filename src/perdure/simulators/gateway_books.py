"""The simulated gateway's own books: every attempt, charge, refund and callback."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from perdure.simulators.journal import Journal, Record

DUPLICATES_SHOWN_MAX: Final = 100


@dataclass(slots=True)
class Charge:
    """A charge as the gateway keeps it.

    Args:
        confirmation: What becomes of it, and `due_at`: when.
        callback_url: Where its end is told; None: nowhere.
        callback_copies: How many times.
        callback_delay_s: How long after its end.
        dispute: `open`, `won` or `lost`; None: nobody disputes it.
    """

    id: str
    reference: str
    amount_minor: int
    currency: str
    payment_method: str
    created_at: float
    confirmation: str
    due_at: float
    callback_url: str | None
    callback_copies: int
    callback_delay_s: float
    status: str = "pending"
    failure_code: str | None = None
    refunded_minor: int = 0
    dispute: str | None = None

    def view(self) -> dict[str, Any]:
        """Return what the gateway tells about it."""
        return {
            "id": self.id,
            "reference": self.reference,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "status": self.status,
            "failure_code": self.failure_code,
            "refunded_minor": self.refunded_minor,
            "dispute": self.dispute,
            "payment_method": self.payment_method,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as the gateway keeps it."""

    id: str
    reference: str
    charge_id: str
    charge_reference: str
    amount_minor: int
    currency: str
    created_at: float
    status: str = "succeeded"


@dataclass(frozen=True, slots=True)
class Event:
    """The news of a charge's end, or of something else, owed to its callback URL.

    Args:
        lie: What is not true in it; None: all of it is.
        reference: Of the charge it tells of, where that is a lie.
    """

    id: str
    type: str
    charge_id: str
    occurred_at: float
    deliver_at: float
    lie: str | None = None
    reference: str | None = None

    @property
    def tells_the_end(self) -> bool:
        """Whether it tells, truly, how a charge ended."""
        return self.lie is None and self.type in ("charge.succeeded", "charge.failed")


class GatewayBooks:
    """What the gateway knows, in memory, and how it came to be, in the journal.

    Every change is a record, applied the same way when it happens and when the journal is read
    again.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._charges: dict[str, Charge] = {}
        self._charges_of: defaultdict[str, list[Charge]] = defaultdict(list)
        self._refunds: dict[str, Refund] = {}
        self._undelivered: dict[str, Event] = {}
        self._answers: defaultdict[str, list[str]] = defaultdict(list)
        self._duplicates: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._charged_minor: Counter[str] = Counter()
        self._refunded_minor: Counter[str] = Counter()
        for record in journal.records():
            self._apply(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record_attempt(self, reference: str, answer: str) -> None:
        """Keep that somebody asked for a charge, and what came of it."""
        self._record({"kind": "attempt", "reference": reference, "answer": answer})

    def record_charge(self, charge: Charge) -> Charge:
        """Keep a new charge."""
        self._record({"kind": "charge", **asdict(charge)})
        return self._charges[charge.id]

    def record_end(
        self, charge: Charge, status: str, *, failure_code: str | None, event: Event | None
    ) -> None:
        """Keep how a charge ended, with the callback that is owed for it."""
        self._record(
            {
                "kind": "end",
                "charge_id": charge.id,
                "status": status,
                "failure_code": failure_code,
                "event": asdict(event) if event else None,
            }
        )

    def record_event(self, event: Event) -> None:
        """Keep a callback that is owed for something else than a charge's end."""
        self._record({"kind": "event", "event": asdict(event)})

    def record_dispute(self, charge: Charge, status: str) -> None:
        """Keep how the dispute of a charge stands."""
        self._record({"kind": "dispute", "charge_id": charge.id, "status": status})

    def record_delivery(self, event: Event) -> None:
        """Keep that a callback has been delivered, or given up."""
        self._record({"kind": "delivery", "event_id": event.id})

    def record_refund(self, refund: Refund) -> None:
        """Keep a new refund."""
        self._record({"kind": "refund", **asdict(refund)})

    def charge(self, charge_id: str) -> Charge:
        """Return the charge with this id."""
        return self._charges[charge_id]

    def charges(self) -> list[Charge]:
        """Return all charges, the oldest first."""
        return list(self._charges.values())

    def charge_before(self, charge: Charge) -> Charge | None:
        """Return the charge that was made just before this one."""
        latest = [self._charges[found] for found in islice(reversed(self._charges), 2)]
        return next((found for found in latest if found.id != charge.id), None)

    def charges_of(self, reference: str) -> list[Charge]:
        """Return the charges under a reference, the oldest first."""
        return self._charges_of.get(reference, [])

    def refund_of(self, reference: str) -> Refund | None:
        """Return the refund under a reference."""
        return self._refunds.get(reference)

    def refunds(self) -> list[Refund]:
        """Return all refunds, the oldest first."""
        return list(self._refunds.values())

    def undelivered(self) -> list[Event]:
        """Return the callbacks still owed."""
        return list(self._undelivered.values())

    def answers(self, reference: str) -> list[str]:
        """Return what came of each attempt to charge under a reference."""
        return self._answers.get(reference, [])

    def totals(self) -> dict[str, Any]:
        """Return counts and sums; the cost does not grow with the books."""
        return {
            "attempts": self._counts["attempt"],
            "charges": {
                "count": self._counts["charge"],
                **{
                    status: self._counts[status]
                    for status in ("pending", "succeeded", "failed", "cancelled")
                },
                "succeeded_minor": dict(self._charged_minor),
            },
            "duplicates": {
                "count": len(self._duplicates),
                "references": list(self._duplicates)[:DUPLICATES_SHOWN_MAX],
            },
            "refunds": {
                "count": self._counts["refund"],
                "refunded_minor": dict(self._refunded_minor),
            },
            "callbacks": {
                "delivered": self._counts["delivery"],
                "undelivered": len(self._undelivered),
            },
        }

    def _record(self, record: Record) -> None:
        self._journal.write(record)
        self._apply(dict(record))

    def _apply(self, record: Record) -> None:
        kind = record.pop("kind")
        self._counts[kind] += 1
        match kind:
            case "attempt":
                self._answers[record["reference"]].append(record["answer"])
            case "charge":
                self._apply_charge(Charge(**record))
            case "end":
                self._apply_end(**record)
            case "event":
                self._undelivered[record["event"]["id"]] = Event(**record["event"])
            case "dispute":
                self._charges[record["charge_id"]].dispute = record["status"]
            case "delivery":
                self._undelivered.pop(record["event_id"], None)
            case "refund":
                refund = Refund(**record)
                self._refunds[refund.reference] = refund
                self._charges[refund.charge_id].refunded_minor += refund.amount_minor
                self._refunded_minor[refund.currency] += refund.amount_minor

    def _apply_charge(self, charge: Charge) -> None:
        self._charges[charge.id] = charge
        self._counts[charge.status] += 1
        same = self._charges_of[charge.reference]
        same.append(charge)
        if len(same) > 1:
            self._duplicates[charge.reference] = len(same)

    def _apply_end(
        self, charge_id: str, status: str, failure_code: str | None, event: Record | None
    ) -> None:
        charge = self._charges[charge_id]
        self._counts[charge.status] -= 1
        self._counts[status] += 1
        charge.status, charge.failure_code = status, failure_code
        if status == "succeeded":
            self._charged_minor[charge.currency] += charge.amount_minor
        if event:
            self._undelivered[event["id"]] = Event(**event)
