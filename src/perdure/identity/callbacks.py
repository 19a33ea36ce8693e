"""The verifier's callbacks: hints that have it asked, kept for whoever looks into them.

What they tell is not believed. One that does not come, or comes while the engine is away, costs
nothing but time: who waits for a check asks by itself too.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from perdure.durable.engine import TemporalEngine
from perdure.identity.contracts import IDENTITY, TOLD, who_waits
from perdure.providers.identity import CheckEvent
from perdure.storage.pool import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a callback.

    Args:
        duplicate: It had come before.
        operation_id: The operation that has the check made; None: there is none.
    """

    event_id: str
    duplicate: bool
    operation_id: str | None


class IdentityCallbacks:
    """Takes verified callbacks."""

    def __init__(self, pool: Pool, engine: TemporalEngine) -> None:
        self._pool = pool
        self._engine = engine

    async def receive(self, event: CheckEvent) -> Receipt:
        """Keep a callback, and have who waits for the check ask; a repeated one is only counted."""
        operation_id, workflow_id = who_waits(event.reference or "") or (None, None)
        row = await self._pool.fetchrow(
            _KEEP,
            IDENTITY,
            event.event_id,
            operation_id,
            {"type": event.type, "reference": event.reference},
        )
        assert row is not None
        receipt = Receipt(event.event_id, row["deliveries"] > 1, row["operation_id"])
        if workflow_id and receipt.operation_id is not None and not receipt.duplicate:
            try:
                await self._engine.signal(workflow_id, TOLD, event.event_id)
            except Exception as error:  # noqa: BLE001 - whoever waits for it asks by itself
                log.warning("callback_not_passed_on", event_id=event.event_id, error=str(error))
        return receipt


# Nothing is left to be done with it: what it is about is asked for in any case.
_KEEP: Final = """
INSERT INTO provider_callbacks AS callback
    (provider, event_id, operation_id, event, deliveries, delivered_at)
SELECT $1, $2, (SELECT id FROM operations WHERE id = $3), $4, 1, now()
ON CONFLICT (provider, event_id) DO UPDATE SET deliveries = callback.deliveries + 1
RETURNING operation_id, deliveries
"""
