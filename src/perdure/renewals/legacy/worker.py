"""The old system's worker: polls its table, calls the registry, writes what came of it.

It is what Perdure replaces, kept as plain as it was: no workflow, no step by step records. What it
has in common with Perdure is the domain's claim, the ledger, and the operation's row.
"""

import asyncio
from contextlib import suppress
from datetime import date
from typing import Final

import structlog

from perdure.capability.contracts import Failure
from perdure.capability.entries import hold_id, post_id
from perdure.core.errors import PerdureError, ProviderError
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.legacy import queue
from perdure.legacy.ending import fail, succeed
from perdure.legacy.queue import Turn, TurnLost
from perdure.operations import store
from perdure.operations.steps import from_json
from perdure.providers.registry import RegistryDirectory, RegistryRenewal
from perdure.renewals import domains, rules
from perdure.renewals.contracts import (
    KIND,
    CloseRenewal,
    DomainOffer,
    Fee,
    HoldFee,
    RenewalInput,
    RenewalReport,
)
from perdure.renewals.domains import Renewed
from perdure.renewals.funding import FUNDED, funds_of, result_of
from perdure.renewals.messages import failure_messages, success_messages
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

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
        turns = await queue.take(self._pool, KIND, limit=_AT_ONCE)
        await asyncio.gather(*map(self._carry_out, turns))
        return len(turns)

    async def _carry_out(self, turn: Turn) -> None:
        operation = await store.get(self._pool, turn.operation_id)
        renewal = from_json(RenewalInput, operation.input)
        try:
            if operation.cancel_request is not None:
                reason = operation.cancel_request.reason
                await self._fail(turn, renewal, Failure("cancelled", reason, cancelled=True))
                return
            fee, renewed = await self._renew(renewal)
            await self._succeed(turn, renewal, fee, renewed)
        except TurnLost as error:
            log.warning("legacy_turn_lost", operation_id=turn.operation_id, error=error.message)
        except ProviderError as error:
            after_s = min(_AGAIN_S * turn.attempt, _AGAIN_S_MAX)
            await self._put_back(turn, error.message, after_s)
        except PerdureError as error:
            await self._fail(turn, renewal, Failure(error.code, error.message))
        except Exception as error:  # noqa: BLE001 - one must not stop the others
            log.warning("legacy_renewal_failed", operation_id=turn.operation_id, error=repr(error))
            await self._put_back(turn, repr(error), _AGAIN_S)

    async def _put_back(self, turn: Turn, error: str, after_s: float) -> None:
        with suppress(TurnLost):
            await queue.put_back(self._pool, turn, error, after_s=after_s)

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

    async def _succeed(
        self, turn: Turn, renewal: RenewalInput, fee: Fee, renewed: RegistryRenewal
    ) -> None:
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
            await self._ledger.hold(connection, _new_hold(renewal, fee))
            await self._ledger.post_hold(connection, hold_id(found), post_id(found))
            await domains.record_renewed(
                connection, [Renewed(renewal.request.domain, found, renewed.expires_on)]
            )
            messages = success_messages(renewal, fee, report)
            result = result_of(fee, report)
            await succeed(connection, turn, operation, messages, action="recorded", result=result)

    async def _fail(self, turn: Turn, renewal: RenewalInput, failure: Failure) -> None:
        found = renewal.operation_id
        messages = failure_messages(CloseRenewal(renewal, failure))
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, found)
            await domains.release(connection, renewal.request.domain, found)
            await fail(connection, turn, operation, messages, failure=failure, ledger=self._ledger)


def _new_hold(renewal: RenewalInput, fee: Fee) -> NewTransfer:
    return FUNDED.new_hold(funds_of(HoldFee(renewal, fee)))
