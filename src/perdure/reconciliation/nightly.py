"""The reconciliation of each day, in the night after it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from perdure.capability.recurring import Own, Recurring
from perdure.operations.model import Operation
from perdure.operations.store import SYSTEM
from perdure.reconciliation.acceptance import ReconciliationAcceptance
from perdure.storage.pool import Connection


async def _accept(own: Own, connection: Connection, due_at: datetime) -> Operation:
    day = due_at.astimezone(UTC).date() - timedelta(days=1)
    acceptance: ReconciliationAcceptance = own(ReconciliationAcceptance)
    return await acceptance.accept(connection, day, actor=SYSTEM)


NIGHTLY: Final = Recurring("30 2 * * *", "The books of the day before are reconciled.", _accept)
