"""A simulated registry's own books: every renewal, every one taken back, every change."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from perdure.simulators.gateway_books import DUPLICATES_SHOWN_MAX
from perdure.simulators.journal import Journal, Record
from perdure.simulators.registry_domains import (
    CURRENCY,
    Domain,
    add_years,
    derived_domain,
    price_of,
)


@dataclass(slots=True)
class Renewal:
    """A renewal as the registry keeps it.

    Args:
        previous_expires_on: The domain's last day before it.
        expires_on: The domain's last day after it; once it is undone, after that.
    """

    id: str
    reference: str
    domain: str
    years: int
    previous_expires_on: date
    expires_on: date
    price_minor: int
    created_at: float
    status: str = "renewed"
    currency: str = CURRENCY

    def view(self) -> Record:
        """Return what the registry tells about it."""
        return {
            "id": self.id,
            "reference": self.reference,
            "domain": self.domain,
            "years": self.years,
            "previous_expires_on": self.previous_expires_on.isoformat(),
            "expires_on": self.expires_on.isoformat(),
            "price_minor": self.price_minor,
            "currency": self.currency,
            "created_at": self.created_at,
            "status": self.status,
        }


class RegistryBooks:
    """What a registry knows, in memory, and how it came to be, in the journal.

    Domains are stored only where somebody changed them; of any other, only the last day that its
    renewals gave it.

    Args:
        day, seed: Of the derived domains. The journal keeps those of its first start, else every
            domain would change overnight.
        price_minor: Of one year of a domain that is not premium.
    """

    def __init__(self, journal: Journal, *, day: date, seed: int, price_minor: int) -> None:
        self._journal = journal
        self._price_minor = price_minor
        self._changed: dict[str, Domain] = {}
        self._expires_on: dict[str, date] = {}
        self._renewals: dict[str, Renewal] = {}
        self._renewals_of: defaultdict[str, list[Renewal]] = defaultdict(list)
        self._standing_by_domain: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._refusals_by_code: Counter[str] = Counter()
        self._repeated_references: dict[str, int] = {}
        self._repeated_domains: dict[str, int] = {}
        self._undone = 0
        self._billed_minor = 0
        self.day, self.seed = day, seed
        records = journal.records()
        if (begun := next(records, None)) is None:
            self._journal.write({"kind": "begun", "day": day.isoformat(), "seed": seed})
            return
        self.day, self.seed = date.fromisoformat(begun["day"]), begun["seed"]
        for record in records:
            self._apply(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record_change(self, domain: Domain) -> None:
        """Keep a domain that is to be other than its name makes it."""
        record = {"name": domain.name, "status": domain.status, "premium": domain.premium}
        self._record({"kind": "domain", "expires_on": domain.expires_on.isoformat(), **record})

    def record_refusal(self, reference: str, code: str) -> None:
        """Keep that somebody asked for a renewal, and nothing came of it."""
        self._record({"kind": "refusal", "reference": reference, "code": code})

    def record_renewal(self, renewal: Renewal) -> None:
        """Keep a new renewal."""
        self._record({"kind": "renewal", **renewal.view()})

    def record_undoing(self, renewal: Renewal) -> None:
        """Keep that a renewal was taken back."""
        self._record({"kind": "undoing", "renewal_id": renewal.id})

    def domain(self, name: str) -> Domain | None:
        """Return a domain as it is now; None: it is not registered."""
        domain = self._changed.get(name) or derived_domain(
            name, day=self.day, seed=self.seed, price_minor=self._price_minor
        )
        if domain is None or (expires_on := self._expires_on.get(name)) is None:
            return domain
        return replace(domain, expires_on=expires_on)

    def changed_domain(self, name: str, *, status: str, expires_on: date, premium: bool) -> Domain:
        """Return a domain with these properties, and the price that follows from them."""
        return Domain(
            name, status, expires_on, premium, price_of(self._price_minor, premium=premium)
        )

    def attempts(self, reference: str) -> int:
        """Return how often a renewal was asked for under a reference."""
        return self._refusals[reference] + len(self.renewals_of(reference))

    def renewals(self) -> list[Renewal]:
        """Return all renewals, the oldest first."""
        return list(self._renewals.values())

    def renewals_of(self, reference: str) -> list[Renewal]:
        """Return the renewals under a reference, the oldest first."""
        return self._renewals_of.get(reference, [])

    def times_renewed(self, domain: str) -> int:
        """Return how many renewals of a domain there are that were not taken back."""
        return self._standing_by_domain[domain]

    def totals(self) -> dict[str, Any]:
        """Return counts and sums; the cost does not grow with the books."""
        renewals = len(self._renewals)
        return {
            "renewals": {
                "count": renewals,
                "renewed": renewals - self._undone,
                "undone": self._undone,
                "billed_minor": {CURRENCY: self._billed_minor},
            },
            "refusals": dict(self._refusals_by_code),
            "duplicates": {
                "count": len(self._repeated_references),
                "references": list(self._repeated_references)[:DUPLICATES_SHOWN_MAX],
            },
            "renewed_more_than_once": {
                "count": len(self._repeated_domains),
                "domains": list(self._repeated_domains)[:DUPLICATES_SHOWN_MAX],
            },
        }

    def _record(self, record: Record) -> None:
        self._journal.write(record)
        self._apply(dict(record))

    def _apply(self, record: Record) -> None:
        match record.pop("kind"):
            case "domain":
                record["expires_on"] = date.fromisoformat(record["expires_on"])
                self._changed[record["name"]] = self.changed_domain(**record)
                self._expires_on.pop(record["name"], None)
            case "refusal":
                self._refusals[record["reference"]] += 1
                self._refusals_by_code[record["code"]] += 1
            case "renewal":
                for day in ("previous_expires_on", "expires_on"):
                    record[day] = date.fromisoformat(record[day])
                self._apply_renewal(Renewal(**record))
            case "undoing":
                self._apply_undoing(self._renewals[record["renewal_id"]])

    def _apply_renewal(self, renewal: Renewal) -> None:
        self._renewals[renewal.id] = renewal
        self._expires_on[renewal.domain] = renewal.expires_on
        self._billed_minor += renewal.price_minor
        same = self._renewals_of[renewal.reference]
        same.append(renewal)
        if len(same) > 1:
            self._repeated_references[renewal.reference] = len(same)
        self._count(renewal.domain, 1)

    def _apply_undoing(self, renewal: Renewal) -> None:
        domain = self.domain(renewal.domain)
        assert domain is not None
        if domain.expires_on == renewal.expires_on:
            renewal.expires_on = renewal.previous_expires_on  # 29 February too
        else:  # renewed again since, or changed: what is taken back is the years
            renewal.expires_on = add_years(domain.expires_on, -renewal.years)
        self._expires_on[renewal.domain] = renewal.expires_on
        renewal.status = "undone"
        self._billed_minor -= renewal.price_minor
        self._undone += 1
        self._count(renewal.domain, -1)

    def _count(self, domain: str, change: int) -> None:
        self._standing_by_domain[domain] += change
        times = self._standing_by_domain[domain]
        if times > 1:
            self._repeated_domains[domain] = times
        else:
            self._repeated_domains.pop(domain, None)
