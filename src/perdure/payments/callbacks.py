"""The gateway's callbacks: kept before they are acted on, and acted on once.

A payment's own workflow is signalled, and looks at what is kept already once it has charged. A lane
looks at what is kept for all its payments that wait, so those are not signalled; one that left its
lane while its callback came is by `redeliver`.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from perdure.core.errors import OperationCancelled
from perdure.operations.steps import from_json, to_json
from perdure.payments.contracts import GATEWAY, GATEWAY_CALLBACK, ChargeOutcome, GatewayCallback
from perdure.providers.gateway import GatewayEvent
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Pool

log = structlog.get_logger()

_BATCH: Final = 200
_LOOK_S: Final = 0.075
"""How often a process looks for the callbacks that its lanes' payments wait for, in seconds."""


class Signaller(Protocol):
    """Passes a signal to an operation's workflow."""

    async def signal(self, operation_id: str, name: str, argument: object) -> bool:
        """Send it; False: the workflow is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a callback.

    Args:
        duplicate: It had come before.
        payment_id: The payment it is about; None: there is no such payment.
    """

    event_id: str
    duplicate: bool
    payment_id: str | None


@dataclass(frozen=True, slots=True)
class _Incoming:
    reference: str
    callback: GatewayCallback


@dataclass(frozen=True, slots=True)
class _Kept:
    operation_id: str | None
    is_in_lane: bool
    duplicate: bool


_Found = ChargeOutcome | OperationCancelled | None


class GatewayCallbacks:
    """Takes verified callbacks, and finds those that were kept."""

    def __init__(self, pool: Pool, signaller: Signaller) -> None:
        self._pool = pool
        self._signaller = signaller
        self._incoming: GroupCommit[_Incoming, _Kept] = GroupCommit(self._keep)
        self._found: GroupCommit[str, _Found] = GroupCommit(self._find)
        self._passed_on: GroupCommit[str, None] = GroupCommit(self._mark_delivered)
        self._awaited: dict[asyncio.Future[ChargeOutcome], str] = {}
        self._looking: asyncio.Task[None] | None = None

    async def receive(self, event: GatewayEvent) -> Receipt:
        """Keep a callback and pass it on; one that came before is only counted.

        One for an unknown payment is kept for whoever looks into it. One that cannot be passed on
        now is passed on by `redeliver`.
        """
        charge = ChargeOutcome(event.charge.id, event.charge.status, event.charge.failure_code)
        callback = GatewayCallback(event.event_id, charge)
        kept = await self._incoming.submit(_Incoming(event.reference, callback))
        if kept.operation_id is not None and not kept.is_in_lane and not kept.duplicate:
            try:
                await self._pass_on(kept.operation_id, callback)
            except Exception as error:  # noqa: BLE001 - it is kept; `redeliver` tries again
                log.warning("callback_postponed", event_id=event.event_id, error=str(error))
        return Receipt(event.event_id, kept.duplicate, kept.operation_id)

    async def _keep(self, incoming: list[_Incoming]) -> Sequence[_Kept]:
        # One statement cannot write a row twice, so copies of a callback are counted here.
        copies = Counter(one.callback.event_id for one in incoming)
        by_id = {one.callback.event_id: one for one in incoming}
        rows = await self._pool.fetch(
            _KEEP,
            GATEWAY,
            list(by_id),
            [one.reference for one in by_id.values()],
            [to_json(one.callback) for one in by_id.values()],
            [copies[event_id] for event_id in by_id],
        )
        found = {row["event_id"]: row for row in rows}
        came_before = {
            event_id for event_id, row in found.items() if row["deliveries"] > copies[event_id]
        }
        kept = []
        for event_id in (one.callback.event_id for one in incoming):
            row = found[event_id]
            kept.append(_Kept(row["operation_id"], row["is_in_lane"], event_id in came_before))
            came_before.add(event_id)
        return kept

    async def redeliver(self) -> int:
        """Pass on what could not be, or was kept for a lane that was left; returns how many."""
        await self._pool.execute(_END_FINISHED)
        rows = await self._pool.fetch(_LEFT_BEHIND, _BATCH)
        for row in rows:
            await self._pass_on(row["operation_id"], from_json(GatewayCallback, row["event"]))
        return len(rows)

    async def kept(self, operation_id: str) -> ChargeOutcome | None:
        """Return what a callback that came for a payment told; the first one counts.

        Raises:
            OperationCancelled: None came, and the payment is to stop: nobody need wait for one.
        """
        found = await self._found.submit(operation_id)
        if isinstance(found, OperationCancelled):
            raise found
        return found

    async def confirmation(self, operation_id: str, *, within_s: float) -> ChargeOutcome | None:
        """Wait for a callback to have been kept; None: none came in time.

        Raises:
            OperationCancelled: As `kept`.
        """
        arrived: asyncio.Future[ChargeOutcome] = asyncio.get_running_loop().create_future()
        self._awaited[arrived] = operation_id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait([arrived], timeout=within_s)
            return arrived.result() if arrived.done() else None
        finally:
            del self._awaited[arrived]

    async def _look(self) -> None:
        """Look for all that is awaited in this process, together, as long as anything is."""
        while self._awaited:
            await asyncio.sleep(_LOOK_S)
            awaited = dict(self._awaited)
            found: Sequence[_Found | Exception]
            try:
                found = await self._find(list(awaited.values()))
            except Exception as error:  # noqa: BLE001 - raised to all that wait
                found = [error] * len(awaited)
            for arrived, outcome in zip(awaited, found, strict=True):
                if arrived.done() or arrived not in self._awaited:
                    continue
                if isinstance(outcome, Exception):
                    arrived.set_exception(outcome)
                elif outcome is not None:
                    arrived.set_result(outcome)

    async def _find(self, operation_ids: list[str]) -> Sequence[_Found]:
        rows = await self._pool.fetch(_FIND, operation_ids, GATEWAY)
        found = {row["id"]: _found(row["event"], row["cancel_reason"]) for row in rows}
        return [found.get(operation_id) for operation_id in operation_ids]

    async def _pass_on(self, operation_id: str, callback: GatewayCallback) -> None:
        # A workflow that is gone has ended without it, having asked the gateway itself; one that
        # is yet to come looks at what is kept.
        await self._signaller.signal(operation_id, GATEWAY_CALLBACK, callback)
        await self._passed_on.submit(callback.event_id)

    async def _mark_delivered(self, event_ids: list[str]) -> Sequence[None]:
        await self._pool.execute(_MARK_DELIVERED, GATEWAY, event_ids)
        return [None] * len(event_ids)


def _found(event: Any, cancel_reason: str | None) -> _Found:
    if event is not None:
        return from_json(GatewayCallback, event).charge
    return OperationCancelled(cancel_reason) if cancel_reason is not None else None


_FIND: Final = """
SELECT id, cancel_request->>'reason' AS cancel_reason, (
        SELECT event FROM provider_callbacks WHERE operation_id = operations.id AND provider = $2
        ORDER BY received_at LIMIT 1
    ) AS event
FROM operations WHERE id = ANY($1)
"""

# Rows are locked by the callback's id, or skipped, so that groups never wait in a circle.

_KEEP: Final = """
INSERT INTO provider_callbacks AS callback (provider, event_id, operation_id, event, deliveries)
SELECT $1, event_id, operations.id, event, copies
FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::integer[])
    AS came (event_id, about, event, copies)
    LEFT JOIN operations ON operations.id = about
ORDER BY event_id
ON CONFLICT (provider, event_id)
DO UPDATE SET deliveries = callback.deliveries + excluded.deliveries
RETURNING event_id, operation_id, deliveries, EXISTS (SELECT FROM operations
    WHERE id = callback.operation_id AND lane IS NOT NULL) AS is_in_lane
"""

_MARK_DELIVERED: Final = """
WITH delivered AS (
    SELECT provider, event_id FROM provider_callbacks
    WHERE provider = $1 AND event_id = ANY($2) ORDER BY event_id FOR NO KEY UPDATE
)
UPDATE provider_callbacks AS callback SET delivered_at = now() FROM delivered
WHERE callback.provider = delivered.provider AND callback.event_id = delivered.event_id
"""

_END_FINISHED: Final = """
WITH ended AS (
    SELECT provider, event_id FROM provider_callbacks AS callback
        JOIN operations ON operations.id = operation_id
    WHERE delivered_at IS NULL AND operation_id IS NOT NULL AND finished_at IS NOT NULL
    FOR NO KEY UPDATE OF callback SKIP LOCKED
)
UPDATE provider_callbacks AS callback SET delivered_at = now() FROM ended
WHERE callback.provider = ended.provider AND callback.event_id = ended.event_id
"""

_LEFT_BEHIND: Final = """
SELECT operation_id, event FROM provider_callbacks JOIN operations ON id = operation_id
WHERE delivered_at IS NULL AND operation_id IS NOT NULL AND lane IS NULL
    AND received_at < now() - interval '5 seconds'
ORDER BY received_at LIMIT $1
"""
