"""Money that the gateway took for payments which had ended without it.

A callback that tells of a success is never dropped: where the payment has failed or was cancelled,
the gateway is asked, and what it took is given back.
"""

from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from perdure.core.errors import PerdureError, ProviderError
from perdure.durable.queues import OPERATIONS, QueueNames
from perdure.operations import store
from perdure.payments.charges import ChargesUndone
from perdure.payments.contracts import (
    GATEWAY,
    LATE_CHARGE_WORKFLOW,
    UNDO_LATE_CHARGE,
    late_charge_workflow_id,
)
from perdure.providers.gateway import Charge, PaymentGateway
from perdure.storage.pool import Pool, transaction

_BATCH: Final = 200
_AGAIN_AFTER: Final = timedelta(minutes=10)
"""How long one that could not be undone is left; somebody may have to act at the gateway first."""

_STEP: Final = "late_refund"
UNDONE: Final = "late_charge_undone"
NOT_UNDONE: Final = "late_charge_not_undone"
DENIED: Final = "late_charge_denied"


class LateCharges:
    """Has the gateway asked about payments that ended without a success it tells of."""

    def __init__(self, pool: Pool, client: Client, queues: QueueNames) -> None:
        self._pool = pool
        self._client = client
        self._queues = queues

    async def look(self) -> int:
        """Start the workflow of those that have none; returns how many payments there are."""
        rows = await self._pool.fetch(_TO_LOOK_INTO, _AGAIN_AFTER, _BATCH)
        for row in rows:
            payment_id = row["operation_id"]
            await self._client.start_workflow(
                LATE_CHARGE_WORKFLOW,
                payment_id,
                id=late_charge_workflow_id(payment_id),
                task_queue=self._queues[OPERATIONS],
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            await self._pool.execute(_STARTED, payment_id)
        return len(rows)


class LateChargeActivities:
    """The step at the gateway."""

    def __init__(self, pool: Pool, gateway: PaymentGateway, charges: ChargesUndone) -> None:
        self._pool = pool
        self._gateway = gateway
        self._charges = charges

    @activity.defn(name=UNDO_LATE_CHARGE)
    async def undo_late_charge(self, payment_id: str) -> None:
        """Give back what the gateway took for a payment that has ended without it.

        Raises:
            ProviderError: Not known, or not done yet; try again.
            PerdureError: It does not give it back; the payment's trail says why.
        """
        told = [row["event_id"] for row in await self._pool.fetch(_TOLD, payment_id)]
        charge = await self._gateway.find_charge(payment_id)
        if charge is not None and charge.status not in ("failed", "cancelled"):
            charge = await self._undo(payment_id, charge)
        if charge is None or charge.status != "succeeded":
            stands = f"has it as {charge.status}" if charge else "knows of no such charge"
            denied = f"A callback told of a success; the gateway, asked, {stands}."
            await self._end(payment_id, told, DENIED, denied)
            return
        given_back = f"The gateway gave charge {charge.id} back: {_amount_of(charge)}."
        # Where there was no call, it was undone before the payment ended: nothing came late.
        was_late = await self._pool.fetchval(_WAS_CALLED, payment_id, _STEP)
        await self._end(payment_id, told, UNDONE if was_late else None, given_back)

    async def _undo(self, payment_id: str, charge: Charge) -> Charge:
        try:
            return await self._charges.undo(payment_id, _STEP)
        except ProviderError:
            raise
        except PerdureError as error:
            await self._note_that_it_is_stuck(payment_id, charge, error)
            raise

    async def _end(self, payment_id: str, told: list[str], action: str | None, reason: str) -> None:
        """Have nothing left to do about these callbacks, and the trail say what was done."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, payment_id)
            ended = await connection.fetch(_END, GATEWAY, told)
            if ended and action is not None:
                await store.note(
                    connection, operation, actor=store.SYSTEM, action=action, reason=reason
                )

    async def _note_that_it_is_stuck(
        self, payment_id: str, charge: Charge, error: PerdureError
    ) -> None:
        """Put it before an operator, once for each reason."""
        reason = (
            f"The gateway took {_amount_of(charge)} as charge {charge.id}, and does not give it"
            f" back: {error.message} Give it back at the gateway's own desk."
        )
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, payment_id)
            if not await connection.fetchval(_IS_NOTED, payment_id, NOT_UNDONE, reason):
                await store.note(
                    connection, operation, actor="janitor", action=NOT_UNDONE, reason=reason
                )


def _amount_of(charge: Charge) -> str:
    return f"{charge.amount_minor} {charge.currency} in minor units"


async def count_not_undone(pool: Pool) -> int:
    """Return how many payments the gateway has money of that were not to have taken any.

    Those of the last five minutes are being seen to.
    """
    count: int = await pool.fetchval(f"SELECT count(*) FROM ({LATE_NOT_UNDONE}) AS late")
    return count


LATE: Final = """
    delivered_at IS NULL AND operation_id IS NOT NULL AND event ? 'charge'
    AND operations.status IN ('failed', 'cancelled')
    AND (event->>'type' = 'charge.succeeded' OR event->'charge'->>'status' = 'succeeded')
"""
"""What `GatewayCallbacks` leaves of a payment that has ended: that it succeeded at the gateway."""

LATE_NOT_UNDONE: Final = f"""
SELECT ARRAY[operation_id] AS subject_ids,
       format('%s, and the gateway told of a charge that succeeded', operations.status) AS detail
FROM provider_callbacks JOIN operations ON operations.id = operation_id
WHERE {LATE} AND greatest(received_at, finished_at) < now() - interval '5 minutes'
GROUP BY operation_id, operations.status
"""

# Whether it was passed on is no matter: the payment may have been closing just then.
_TO_LOOK_INTO: Final = f"""
SELECT operation_id FROM provider_callbacks JOIN operations ON operations.id = operation_id
WHERE {LATE} AND (looked_into_at IS NULL OR looked_into_at < now() - $1::interval)
GROUP BY operation_id ORDER BY min(received_at) LIMIT $2
"""

_STARTED: Final = """
UPDATE provider_callbacks SET looked_into_at = now()
WHERE operation_id = $1 AND delivered_at IS NULL AND event ? 'charge'
"""

_TOLD: Final = """
SELECT event_id FROM provider_callbacks
WHERE operation_id = $1 AND delivered_at IS NULL AND event ? 'charge'
"""

_END: Final = """
UPDATE provider_callbacks SET delivered_at = now()
WHERE provider = $1 AND event_id = ANY($2) AND delivered_at IS NULL RETURNING true
"""

_WAS_CALLED: Final = """
SELECT EXISTS (SELECT FROM provider_calls WHERE operation_id = $1 AND step = $2)
"""

_IS_NOTED: Final = """
SELECT EXISTS (SELECT FROM operation_trail
    WHERE operation_id = $1 AND action = $2 AND reason = $3)
"""
