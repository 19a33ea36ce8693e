"""Taking renewals in: refused at once, or stored, the domain claimed, and certain to reach an end.

A domain is claimed in the transaction that stores its renewal. So whoever asks a second time,
through whatever path, finds the claim: the same request is answered with the renewal under way,
another one is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import (
    Conflict,
    NotFound,
    PerdureError,
    Refused,
)
from perdure.core.ids import new_id
from perdure.core.notes import correctable
from perdure.ledger.store import LedgerStore
from perdure.operations import store
from perdure.operations.acceptance import (
    Acceptance,
    accept_many,
    by_reference,
    check_deadline,
    is_same,
    named,
)
from perdure.operations.correction import Correction, correct, read_request
from perdure.operations.funded_acceptance import check_can_pay
from perdure.operations.lanes.store import lane_of
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.providers.registry import registry_name, tld_of
from perdure.renewals import domains
from perdure.renewals.contracts import ID_PREFIX, KIND, RenewalInput, RenewalRequest
from perdure.renewals.domains import Domain
from perdure.renewals.rules import check_domain_name, check_request
from perdure.storage.pool import Connection

_CORRECTABLE: Final = correctable(RenewalRequest)

Outcome = Operation | PerdureError
"""What becomes of a request: the operation, new or known, or why there is none."""


class RenewalAcceptance(Acceptance[RenewalRequest]):
    """Validates renewals and stores those that may begin.

    Args:
        tlds: Those that there is a registry for.
        lanes: Over how many lanes the renewals at one registry are spread.
    """

    def __init__(
        self,
        ledger: LedgerStore[Connection],
        tlds: Iterable[str],
        *,
        lanes: int,
        clock: Clock = utc_now,
    ) -> None:
        self._ledger = ledger
        self._tlds = sorted(tlds)
        self._lanes = lanes
        self._clock = clock

    def tld_of(self, request: RenewalRequest) -> str:
        """Return the TLD whose registry has the domain.

        Raises:
            InvalidInput: `unknown_tld`.
        """
        return tld_of(request.domain, self._tlds)

    def lane_for(self, request: RenewalRequest) -> int:
        """Return the lane of one of many renewals: no two registries share one.

        So a registry that is slow, or away, holds up its own renewals only.

        Raises:
            InvalidInput: `invalid_domain`, `unknown_tld`.
        """
        check_domain_name(request.domain)
        registry = self._tlds.index(self.tld_of(request))
        return registry * self._lanes + lane_of(request.customer_id, self._lanes)

    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[RenewalRequest],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,
        deadline_at: datetime | None = None,
    ) -> list[Outcome]:
        """Store renewals; returns what became of each, in their order: stored, or why not.

        Args:
            lanes: Which lane carries each out; None: a workflow of its own.
            deadline_at: As in `accept`; of all.
        """
        outcomes: dict[int, Outcome] = {}
        left: dict[int, RenewalRequest] = {}
        for number, request in enumerate(requests):
            try:
                left[number] = check_request(request)
            except PerdureError as error:
                outcomes[number] = error
        while left:
            # Of several for one domain, the next is looked at once the one before it is stored.
            first_of_domain = {left[number].domain: number for number in reversed(left)}
            numbers = sorted(first_of_domain.values())
            batch = _Batch(
                {number: left.pop(number) for number in numbers},
                actor,
                metadata or {},
                {number: lanes[number] if lanes else None for number in numbers},
                deadline_at,
            )
            outcomes |= await self._accept_batch(connection, batch)
        return [outcomes[number] for number in range(len(requests))]

    @property
    def correctable(self) -> Mapping[str, str | None]:
        """The request's fields that can be corrected; as in `KindActions`."""
        return _CORRECTABLE

    def correct(self, operation: Operation, patch: Mapping[str, Any]) -> Correction:
        """Return the operation's request with a patch.

        Raises:
            InvalidInput: The patch, or the request it makes; names the field.
        """
        return correct(
            operation.input["request"], patch, self.correctable, RenewalRequest, check_request
        )

    async def accept_again(
        self, connection: Connection, operation: Operation, *, actor: str, lane: int | None = None
    ) -> Operation:
        """Store a new renewal with the request of one that failed; as `accept`.

        It begins with the domain's date of now, and has no deadline; as in `KindActions`, it has
        no reference yet.
        """
        anew = {"reference": None, "current_expires_on": None}
        request = read_request(RenewalRequest, operation.input["request"] | anew)
        domain = (await domains.lock(connection, [request.domain])).get(request.domain)
        if domain is not None and domain.renewing is not None:
            raise _in_progress(domain)
        return await self.accept(
            connection, request, actor=actor, metadata=operation.metadata, lane=lane
        )

    async def _accept_batch(self, connection: Connection, batch: "_Batch") -> dict[int, Outcome]:
        """Accept requests for different domains."""
        requests = batch.requests.values()
        accounts = await self._ledger.accounts_with_balances(
            connection, {request.account_id for request in requests}
        )
        names = {name for request in requests if (name := named(request))}
        known = await by_reference(connection, KIND, names)
        locked = await domains.lock(connection, {request.domain for request in requests})
        renewals = await _by_id(
            connection,
            [
                renewal_id
                for found in locked.values()
                for renewal_id in (found.renewing, found.renewed_by)
            ],
        )
        outcomes: dict[int, Outcome] = {}
        new: dict[int, NewOperation] = {}
        for number, request in batch.requests.items():
            try:
                tld = self.tld_of(request)
                earlier = known.get(name) if (name := named(request)) else None
                if earlier is not None:
                    outcomes[number] = _same_reference(earlier, request)
                    continue
                domain = _own_domain(locked.get(request.domain), request)
                met = _under_way(domain, renewals, request) or _done(domain, renewals, request)
                if met is not None:
                    outcomes[number] = met
                    continue
                self._check_not_expired(domain)
                check_deadline(batch.deadline_at, self._clock())
                account, _ = accounts.get(request.account_id, (None, None))
                # The currency and the funds are looked at when the registry has told the price.
                check_can_pay(account, request)
            except PerdureError as error:
                outcomes[number] = error
                continue
            new[number] = batch.new_operation(number, registry_name(tld), domain)
        return outcomes | await _store(connection, new, batch)

    def _check_not_expired(self, domain: Domain) -> None:
        if domain.status == "expired" or domain.expires_on < self._clock().date():
            raise Refused(
                f"{domain.name} has expired ({domain.expires_on}); it can no longer be renewed,"
                " only restored.",
                code="domain_expired",
                param="domain",
            )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Requests for different domains, by their number."""

    requests: Mapping[int, RenewalRequest]
    actor: str
    metadata: dict[str, str]
    lanes: Mapping[int, int | None]
    deadline_at: datetime | None

    def new_operation(self, number: int, registry: str, domain: Domain) -> NewOperation:
        request, operation_id = self.requests[number], new_id(ID_PREFIX)
        given = RenewalInput(operation_id, request, registry, domain.expires_on.isoformat())
        return NewOperation(
            id=operation_id,
            kind=KIND,
            customer_id=request.customer_id,
            input=to_json(given),
            reference=request.reference,
            metadata=self.metadata,
            lane=self.lanes[number],
            deadline_at=self.deadline_at,
        )


async def _store(
    connection: Connection, new: Mapping[int, NewOperation], batch: _Batch
) -> dict[int, Outcome]:
    """Store renewals, and have each claim its domain."""
    if not new:
        return {}
    stored = await accept_many(connection, list(new.values()), actor=batch.actor)
    outcomes: dict[int, Outcome] = dict(zip(new, stored, strict=True))
    claims = {
        batch.requests[number].domain: one.id
        for number, one in new.items()
        # One whose reference was taken meanwhile is answered with the operation that has it.
        if isinstance(found := outcomes[number], Operation) and found.id == one.id
    }
    await domains.claim(connection, claims)
    return outcomes


async def _by_id(
    connection: Connection, operation_ids: Iterable[str | None]
) -> dict[str, Operation]:
    asked = [found for found in operation_ids if found is not None]
    if not asked:
        return {}
    rows = await connection.fetch(f"SELECT {store.SHOWN} FROM operations WHERE id = ANY($1)", asked)
    return {row["id"]: store.operation_of(row) for row in rows}


def _same_reference(earlier: Operation, request: RenewalRequest) -> Outcome:
    return earlier if _is_same(earlier, request) else store.reference_taken(earlier)


def _is_same(renewal: Operation, request: RenewalRequest) -> bool:
    return is_same(renewal, request, check_request)


def _own_domain(domain: Domain | None, request: RenewalRequest) -> Domain:
    if domain is None or domain.customer_id != request.customer_id:
        raise NotFound(
            f"Customer {request.customer_id} has no domain {request.domain}.",
            code="domain_not_found",
            param="domain",
        )
    return domain


def _under_way(
    domain: Domain, renewing: Mapping[str, Operation], request: RenewalRequest
) -> Outcome | None:
    """Return what a request meets that the domain is claimed for; None: it is free."""
    if domain.renewing is None:
        return None
    # A claim that is not known here is that of another system.
    claimed_by = renewing.get(domain.renewing)
    if claimed_by is not None:
        if claimed_by.is_finished:
            return None
        if _is_same(claimed_by, request):
            return replace(claimed_by, is_repeat=True)
    return _in_progress(domain)


def _done(
    domain: Domain, renewals: Mapping[str, Operation], request: RenewalRequest
) -> Outcome | None:
    """Return what a request meets that names another date than the domain has; None: it names none.

    It is late where the domain was renewed from that very date: by the same request, or not.
    """
    asked, known = request.current_expires_on, domain.expires_on.isoformat()
    if asked is None or asked == known:
        return None
    last = renewals.get(domain.renewed_by or "")
    if last is not None and last.input["current_expires_on"] == asked:
        if _is_same(last, request):
            return replace(last, is_repeat=True)
        return Conflict(
            f"{domain.name} was renewed from {asked} by {last.id}, and ends on {known} now.",
            code="already_renewed",
            param="current_expires_on",
        )
    return Conflict(
        f"{domain.name} ends on {known}, not on {asked}; look at it again before you renew it.",
        code="expiry_mismatch",
        param="current_expires_on",
    )


def _in_progress(domain: Domain) -> Conflict:
    return Conflict(
        f"{domain.name} is being renewed already, by {domain.renewing}; wait for its end, or"
        " cancel it.",
        code="renewal_in_progress",
        param="domain",
    )
