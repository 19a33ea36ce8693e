"""The gateway's callbacks: kept before they are acted on, and acted on once.

A payment's own workflow is signalled, and looks at what is kept already once it has charged. A lane
looks at what is kept for all its payments that wait, so those are not signalled; one that left its
lane while its callback came is by `redeliver`. What tells of something else than a charge's end is
put on the trail of the payment it names.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import structlog

from perdure.core.errors import OperationCancelled
from perdure.core.telemetry import telemetry
from perdure.operations import store
from perdure.operations.lanes.calls import Hear, LaneCalls, hear_nothing
from perdure.operations.steps import from_json, to_json
from perdure.payments.contracts import GATEWAY, GATEWAY_CALLBACK, ChargeOutcome, GatewayCallback
from perdure.providers.gateway_callbacks import GatewayEvent
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Pool, transaction

log = structlog.get_logger()

_BATCH: Final = 200
_CALL: Final = "callback"
"""What is called when a callback was kept for a payment in a lane."""
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
class _Kept:
    operation_id: str | None
    is_awaited: bool
    is_in_lane: bool
    duplicate: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What was kept for a payment.

    Args:
        confirmations: In the order in which they came.
        cancel_reason: Why the payment is to stop; None: nobody asked for it.
    """

    confirmations: list[GatewayCallback]
    cancel_reason: str | None


class GatewayCallbacks:
    """Takes verified callbacks, and finds those that were kept."""

    def __init__(self, pool: Pool, signaller: Signaller) -> None:
        self._pool = pool
        self._signaller = signaller
        self._calls = LaneCalls(pool)
        self._hear: Hear = hear_nothing
        self._incoming: GroupCommit[GatewayEvent, _Kept] = GroupCommit(self._keep)
        self._found: GroupCommit[str, Told] = GroupCommit(self._find)
        self._passed_on: GroupCommit[str, None] = GroupCommit(self._mark_passed_on)
        self._awaited: dict[asyncio.Future[list[GatewayCallback]], str] = {}
        self._looking: asyncio.Task[None] | None = None

    def hear_by(self, hear: Hear) -> None:
        """Have the payments that wait in this process hear at once of what other processes keep."""
        self._hear = hear

    async def receive(self, event: GatewayEvent) -> Receipt:
        """Keep a callback and pass it on; one that came before is only counted.

        One for an unknown payment is kept for whoever looks into it. One that cannot be passed on
        now is passed on by `redeliver`.
        """
        kept = await self._incoming.submit(event)
        telemetry().link(kept.traceparent)
        if kept.operation_id is not None and kept.is_awaited and not kept.duplicate:
            try:
                await self._pass_on(kept.operation_id, event.event_id, _content(event))
            except Exception as error:  # noqa: BLE001 - it is kept; `redeliver` tries again
                log.warning("callback_postponed", event_id=event.event_id, error=str(error))
        elif kept.operation_id is not None and kept.is_in_lane:
            await self._calls.call(_CALL, kept.operation_id)
        return Receipt(event.event_id, kept.duplicate, kept.operation_id)

    async def _keep(self, incoming: list[GatewayEvent]) -> Sequence[_Kept]:
        # One statement cannot write a row twice, so copies of a callback are counted here.
        copies = Counter(one.event_id for one in incoming)
        by_id = {one.event_id: one for one in incoming}
        rows = await self._pool.fetch(
            _KEEP,
            GATEWAY,
            list(by_id),
            [one.told.reference for one in by_id.values()],
            [_content(one) for one in by_id.values()],
            [copies[event_id] for event_id in by_id],
        )
        found = {row["event_id"]: row for row in rows}
        came_before = {
            event_id for event_id, row in found.items() if row["deliveries"] > copies[event_id]
        }
        kept = []
        for event_id in (one.event_id for one in incoming):
            row = found[event_id]
            told = event_id in came_before
            found_out = (row["operation_id"], row["is_awaited"], row["is_in_lane"])
            kept.append(_Kept(*found_out, told, row["traceparent"]))
            came_before.add(event_id)
        return kept

    async def redeliver(self) -> int:
        """Pass on what could not be, or was kept for a lane that was left; returns how many."""
        await self._pool.execute(_END_FINISHED)
        rows = await self._pool.fetch(_LEFT_BEHIND, _BATCH)
        for row in rows:
            await self._pass_on(row["operation_id"], row["event_id"], row["event"])
        return len(rows)

    async def kept(self, operation_id: str) -> list[GatewayCallback]:
        """Return all that callbacks told of how a payment's charge ended; empty: none came.

        Raises:
            OperationCancelled: None came, and the payment is to stop: nobody need wait for one.
        """
        return _confirmations(await self._found.submit(operation_id))

    async def confirmation(self, operation_id: str, *, within_s: float) -> list[GatewayCallback]:
        """Wait for a callback to have been kept; empty: none came in time.

        Raises:
            OperationCancelled: As `kept`.
        """
        arrived: asyncio.Future[list[GatewayCallback]]
        arrived = asyncio.get_running_loop().create_future()
        self._awaited[arrived] = operation_id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with self._hear(_CALL, operation_id) as called:
                hearing = asyncio.create_task(self._look_when(called, arrived, operation_id))
                try:
                    await asyncio.wait([arrived], timeout=within_s)
                finally:
                    hearing.cancel()
            return arrived.result() if arrived.done() else []
        finally:
            del self._awaited[arrived]

    async def _look_when(
        self,
        called: asyncio.Event,
        arrived: asyncio.Future[list[GatewayCallback]],
        operation_id: str,
    ) -> None:
        """Look for what is awaited as soon as it was kept."""
        while not arrived.done():
            await called.wait()
            called.clear()
            try:
                told: Told | Exception = await self._found.submit(operation_id)
            except Exception as error:  # noqa: BLE001 - raised to the one that waits
                told = error
            _arrive(arrived, told)

    async def _look(self) -> None:
        """Look for all that is awaited in this process, together, as long as anything is."""
        while self._awaited:
            await asyncio.sleep(_LOOK_S)
            awaited = dict(self._awaited)
            found: Sequence[Told | Exception]
            try:
                found = await self._find(list(awaited.values()))
            except Exception as error:  # noqa: BLE001 - raised to all that wait
                found = [error] * len(awaited)
            for arrived, told in zip(awaited, found, strict=True):
                if arrived in self._awaited:
                    _arrive(arrived, told)

    async def _find(self, operation_ids: list[str]) -> Sequence[Told]:
        rows = await self._pool.fetch(_FIND, operation_ids, GATEWAY)
        found = {
            row["id"]: Told(
                [from_json(GatewayCallback, event) for event in row["events"]], row["cancel_reason"]
            )
            for row in rows
        }
        return [found.get(operation_id, Told([], None)) for operation_id in operation_ids]

    async def _pass_on(self, operation_id: str, event_id: str, content: dict[str, Any]) -> None:
        if "charge" not in content:
            await self._note(operation_id, event_id, content)
            return
        # A workflow that is gone has ended without it, and `LateCharges` looks into that; one that
        # is yet to come looks at what is kept.
        callback = from_json(GatewayCallback, content)
        await self._signaller.signal(operation_id, GATEWAY_CALLBACK, callback)
        await self._passed_on.submit(event_id)

    async def _mark_passed_on(self, event_ids: list[str]) -> Sequence[None]:
        await self._pool.execute(_MARK_PASSED_ON, GATEWAY, event_ids)
        return [None] * len(event_ids)

    async def _note(self, operation_id: str, event_id: str, content: dict[str, Any]) -> None:
        """Have a payment's trail say, once, what happened at the gateway beside our own calls."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            if await connection.fetchval(_MARK_NOTED, GATEWAY, event_id):
                await store.note(
                    connection,
                    operation,
                    actor=GATEWAY,
                    action="gateway_told",
                    reason=_said(content["type"], content["told"]),
                    data={"event_id": event_id, **content["told"]},
                )


def _arrive(arrived: asyncio.Future[list[GatewayCallback]], told: Told | Exception) -> None:
    """Have the one that waits go on, if there is something to go on with."""
    if arrived.done():
        return
    try:
        if isinstance(told, Exception):
            raise told
        if confirmations := _confirmations(told):
            arrived.set_result(confirmations)
    except Exception as error:  # noqa: BLE001 - raised to the one that waits
        arrived.set_exception(error)


def _content(event: GatewayEvent) -> dict[str, Any]:
    """Return what is kept of a callback; what tells how a charge ended is as it is signalled."""
    told = event.told
    if not event.is_confirmation:
        known = {name: value for name, value in asdict(told).items() if value is not None}
        return {"type": event.type, "told": known}
    callback = GatewayCallback(
        event.event_id,
        ChargeOutcome(told.id or "", told.status or "", told.failure_code),
        event.type,
        told.reference,
        told.amount_minor,
        told.currency,
    )
    content: dict[str, Any] = to_json(callback)
    return content


def _said(kind: str, told: Mapping[str, Any]) -> str:
    """Return what an event says, as the trail has it: `charge.refunded: refunded_minor 400`."""
    names = ("amount_minor", "refunded_minor", "currency", "status", "reason")
    facts = ", ".join(f"{name} {told[name]}" for name in names if name in told)
    return f"{kind}: {facts}" if facts else kind


def _confirmations(told: Told) -> list[GatewayCallback]:
    if not told.confirmations and told.cancel_reason is not None:
        raise OperationCancelled(told.cancel_reason)
    return told.confirmations


# What has a `charge` tells how it ended.

_FIND: Final = """
SELECT id, cancel_request->>'reason' AS cancel_reason, ARRAY(
        SELECT event FROM provider_callbacks
        WHERE operation_id = operations.id AND provider = $2 AND event ? 'charge'
        ORDER BY received_at
    ) AS events
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
    WHERE id = callback.operation_id AND (lane IS NULL AND finished_at IS NULL
        OR NOT callback.event ? 'charge')) AS is_awaited, EXISTS (SELECT FROM operations
    WHERE id = callback.operation_id AND lane <> -1 AND finished_at IS NULL) AS is_in_lane,
    (SELECT traceparent FROM operations WHERE id = callback.operation_id) AS traceparent
"""

_MARK_PASSED_ON: Final = """
WITH passed_on AS (
    SELECT provider, event_id FROM provider_callbacks
    WHERE provider = $1 AND event_id = ANY($2) ORDER BY event_id FOR NO KEY UPDATE
)
UPDATE provider_callbacks AS callback SET passed_on_at = now() FROM passed_on
WHERE callback.provider = passed_on.provider AND callback.event_id = passed_on.event_id
"""

_MARK_NOTED: Final = """
UPDATE provider_callbacks SET delivered_at = now()
WHERE provider = $1 AND event_id = $2 AND delivered_at IS NULL RETURNING true
"""

# What tells of a success that the payment did not have is left to `LateCharges`.
_END_FINISHED: Final = """
WITH ended AS (
    SELECT provider, event_id FROM provider_callbacks AS callback
        JOIN operations ON operations.id = operation_id
    WHERE delivered_at IS NULL AND operation_id IS NOT NULL AND finished_at IS NOT NULL
        AND event ? 'charge' AND (status = 'succeeded' OR NOT (
            event->>'type' = 'charge.succeeded' OR event->'charge'->>'status' = 'succeeded'))
    FOR NO KEY UPDATE OF callback SKIP LOCKED
)
UPDATE provider_callbacks AS callback SET delivered_at = now() FROM ended
WHERE callback.provider = ended.provider AND callback.event_id = ended.event_id
"""

_LEFT_BEHIND: Final = """
SELECT operation_id, event_id, event FROM provider_callbacks JOIN operations ON id = operation_id
WHERE delivered_at IS NULL AND operation_id IS NOT NULL AND passed_on_at IS NULL
    AND (lane IS NULL AND finished_at IS NULL OR NOT event ? 'charge')
    AND received_at < now() - interval '5 seconds'
ORDER BY received_at LIMIT $1
"""
