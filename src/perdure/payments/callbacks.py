"""The gateway's callbacks: kept before they are acted on, passed to the payment's workflow once."""

from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from perdure.operations.steps import from_json, to_json
from perdure.payments.contracts import GATEWAY, GATEWAY_CALLBACK, ChargeOutcome, GatewayCallback
from perdure.providers.gateway import GatewayEvent
from perdure.storage.pool import Pool

log = structlog.get_logger()

_BATCH: Final = 200


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


class GatewayCallbacks:
    """Takes verified callbacks."""

    def __init__(self, pool: Pool, signaller: Signaller) -> None:
        self._pool = pool
        self._signaller = signaller

    async def receive(self, event: GatewayEvent) -> Receipt:
        """Keep a callback and pass it on; one that came before is only counted.

        One for an unknown payment is kept for whoever looks into it. One that cannot be passed on
        now is passed on by `redeliver`.
        """
        charge = ChargeOutcome(event.charge.id, event.charge.status, event.charge.failure_code)
        row = await self._pool.fetchrow(
            "INSERT INTO provider_callbacks AS callback (provider, event_id, operation_id, event)"
            " VALUES ($1, $2, (SELECT id FROM operations WHERE id = $3), $4)"
            " ON CONFLICT (provider, event_id) DO UPDATE SET deliveries = callback.deliveries + 1"
            " RETURNING operation_id, deliveries",
            GATEWAY,
            event.event_id,
            event.reference,
            to_json(GatewayCallback(event.event_id, charge)),
        )
        assert row is not None
        duplicate = row["deliveries"] > 1
        if row["operation_id"] is not None and not duplicate:
            callback = GatewayCallback(event.event_id, charge)
            try:
                await self._pass_on(row["operation_id"], callback)
            except Exception as error:  # noqa: BLE001 - it is kept; `redeliver` tries again
                log.warning("callback_postponed", event_id=event.event_id, error=str(error))
        return Receipt(event.event_id, duplicate, row["operation_id"])

    async def redeliver(self) -> int:
        """Pass on what could not be; returns how many."""
        rows = await self._pool.fetch(
            "SELECT operation_id, event FROM provider_callbacks WHERE delivered_at IS NULL"
            " AND operation_id IS NOT NULL AND received_at < now() - interval '5 seconds'"
            " ORDER BY received_at LIMIT $1",
            _BATCH,
        )
        for row in rows:
            await self._pass_on(row["operation_id"], from_json(GatewayCallback, row["event"]))
        return len(rows)

    async def kept(self, operation_id: str) -> ChargeOutcome | None:
        """Return what a callback that came for a payment told; the first one counts."""
        event = await self._pool.fetchval(
            "SELECT event FROM provider_callbacks WHERE operation_id = $1 AND provider = $2"
            " ORDER BY received_at LIMIT 1",
            operation_id,
            GATEWAY,
        )
        return from_json(GatewayCallback, event).charge if event else None

    async def _pass_on(self, operation_id: str, callback: GatewayCallback) -> None:
        # A workflow that is gone has ended without it, having asked the gateway itself.
        await self._signaller.signal(operation_id, GATEWAY_CALLBACK, callback)
        await self._pool.execute(
            "UPDATE provider_callbacks SET delivered_at = now()"
            " WHERE provider = $1 AND event_id = $2",
            GATEWAY,
            callback.event_id,
        )
