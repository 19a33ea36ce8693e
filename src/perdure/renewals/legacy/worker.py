"""The old system's worker: polls its table, calls the registry, writes what came of it.

It is what Perdure replaces, kept as plain as it was: no workflow, no step by step records. What it
has in common with Perdure is the domain's claim, the ledger, and the operation's row.
"""

import asyncio
from datetime import date
from typing import Final

import structlog

from perdure.capability.contracts import Failure
from perdure.capability.entries import hold_id, post_id, void_id
from perdure.core.errors import NotFound, PerdureError, ProviderError
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.operations import model, store
from perdure.operations.model import Status
from perdure.operations.steps import from_json
from perdure.providers.registry import RegistryDirectory, RegistryRenewal
from perdure.renewals import domains, rules
from perdure.renewals.contracts import (
    CloseRenewal,
    DomainOffer,
    Fee,
    HoldFee,
    RenewalInput,
    RenewalReport,
)
from perdure.renewals.domains import Renewed
from perdure.renewals.funding import FUNDED, funds_of, result_of
from perdure.renewals.legacy import queue
from perdure.renewals.messages import failure_messages, success_messages
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

ACTOR: Final = "legacy"
_AT_ONCE: Final = 10
_POLL_S: Final = 1.0
_AGAIN_S: Final = 5.0
_AGAIN_S_MAX: Final = 600.0
"""It tries for ever, and more and more seldom; the drain view shows what fails."""


class LegacyRenewals:
    """Given the database and the registries."""

    def __init__(
        self, pool: Pool, ledger: LedgerStore[Connection], registries: RegistryDirectory
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._registries = registries

    async def run(self) -> None:
        """Poll until cancelled; what fails for a reason of its own is logged."""
        while True:
            try:
                found = await self.poll()
            except Exception as error:  # noqa: BLE001 - the database is away for now
                log.warning("legacy_poll_failed", error=repr(error))
                found = 0
            if not found:
                await asyncio.sleep(_POLL_S)

    async def poll(self) -> int:
        """Carry out what is due, some at a time; returns how many there were."""
        operation_ids = await queue.take(self._pool, limit=_AT_ONCE)
        await asyncio.gather(*map(self._carry_out, operation_ids))
        return len(operation_ids)

    async def _carry_out(self, operation_id: str) -> None:
        operation = await store.get(self._pool, operation_id)
        renewal = from_json(RenewalInput, operation.input)
        try:
            if operation.cancel_request is not None:
                await self._fail(renewal, Status.CANCELLED, operation.cancel_request.reason)
                return
            fee, renewed = await self._renew(renewal)
            await self._succeed(renewal, fee, renewed)
        except ProviderError as error:
            await self._try_again(renewal, error)
        except PerdureError as error:
            await self._fail(renewal, Status.FAILED, error.message, code=error.code)
        except Exception as error:  # noqa: BLE001 - one must not stop the others
            log.warning("legacy_renewal_failed", operation_id=operation_id, error=repr(error))
            await queue.put_back(self._pool, operation_id, repr(error), after_s=_AGAIN_S)

    async def _renew(self, renewal: RenewalInput) -> tuple[Fee, RegistryRenewal]:
        registry = self._registries.registry_of(renewal.request.domain)
        # An earlier try may have got through, and its answer not.
        found = await registry.find_renewal(renewal.operation_id)
        if found is not None:
            return Fee(found.price_minor, found.currency), found
        domain = await registry.domain(renewal.request.domain)
        offer = DomainOffer(
            domain.status,
            domain.expires_on.isoformat(),
            domain.premium,
            domain.price_minor,
            domain.currency,
        )
        fee = rules.fee_of(renewal, offer)
        await self._check_funds(renewal, fee)
        renewed = await registry.renew(
            reference=renewal.operation_id,
            domain=renewal.request.domain,
            current_expires_on=date.fromisoformat(renewal.current_expires_on),
            years=renewal.request.years,
        )
        return fee, renewed

    async def _check_funds(self, renewal: RenewalInput, fee: Fee) -> None:
        async with transaction(self._pool) as connection:
            await self._ledger.hold(connection, _new_hold(renewal, fee))

    async def _succeed(self, renewal: RenewalInput, fee: Fee, renewed: RegistryRenewal) -> None:
        found = renewal.operation_id
        report = RenewalReport(
            renewed.id,
            renewed.expires_on.isoformat(),
            renewed.price_minor,
            renewed.currency,
            renewed.status,
        )
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, found)
            if operation.is_finished:
                return
            await self._ledger.hold(connection, _new_hold(renewal, fee))
            await self._ledger.post_hold(connection, hold_id(found), post_id(found))
            await domains.record_renewed(
                connection, [Renewed(renewal.request.domain, found, renewed.expires_on)]
            )
            await notifications.owe(connection, {found: success_messages(renewal, fee, report)})
            await store.move(
                connection,
                operation,
                Status.SUCCEEDED,
                action="recorded",
                actor=ACTOR,
                result=result_of(fee, report),
            )
            await queue.end(connection, found)

    async def _try_again(self, renewal: RenewalInput, error: ProviderError) -> None:
        attempts: int = await self._pool.fetchval(
            "SELECT attempts FROM legacy_renewals WHERE operation_id = $1", renewal.operation_id
        )
        after_s = min(_AGAIN_S * attempts, _AGAIN_S_MAX)
        await queue.put_back(self._pool, renewal.operation_id, error.message, after_s=after_s)

    async def _fail(
        self, renewal: RenewalInput, status: Status, message: str, *, code: str = "cancelled"
    ) -> None:
        found = renewal.operation_id
        failure = Failure(code, message, status == Status.CANCELLED)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, found)
            if operation.is_finished:
                return
            try:
                async with connection.transaction():
                    await self._ledger.void_hold(connection, hold_id(found), void_id(found))
            except NotFound:
                log.debug("legacy_nothing_held", operation_id=found)
            await domains.release(connection, renewal.request.domain, found)
            closed = CloseRenewal(renewal, failure)
            await notifications.owe(connection, {found: failure_messages(closed)})
            await store.move(
                connection,
                operation,
                status,
                action="closed",
                actor=ACTOR,
                reason=message,
                failure=model.Failure(code, message),
            )
            await queue.end(connection, found)


def _new_hold(renewal: RenewalInput, fee: Fee) -> NewTransfer:
    return FUNDED.new_hold(funds_of(HoldFee(renewal, fee)))
