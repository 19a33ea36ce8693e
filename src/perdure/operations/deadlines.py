"""Operations that have to end by a moment: those that have not are cancelled."""

from typing import Final

import structlog

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import Conflict
from perdure.operations import store
from perdure.operations.actions import OperatorActions
from perdure.operations.model import By
from perdure.storage.pool import Pool

log = structlog.get_logger()

_BATCH: Final = 200
"""The most that one look cancels; the next look takes the next."""


class Deadlines:
    """Cancels what is past its deadline."""

    def __init__(self, pool: Pool, actions: OperatorActions, *, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._actions = actions
        self._clock = clock

    async def cancel_overdue(self) -> int:
        """Cancel what is past its deadline, as an operator would; returns how many.

        What is being undone already is left to that.
        """
        rows = await self._pool.fetch(
            "SELECT id, deadline_at FROM operations WHERE deadline_at < $1"
            " AND finished_at IS NULL AND cancel_request IS NULL AND status <> 'reversing'"
            " AND reversal_begun_at IS NULL ORDER BY deadline_at LIMIT $2",
            self._clock(),
            _BATCH,
        )
        cancelled = 0
        for row in rows:
            moment = row["deadline_at"].isoformat(timespec="seconds")
            try:
                await self._actions.cancel(
                    row["id"], By(store.SYSTEM, f"The deadline {moment} passed.")
                )
            except Conflict as error:  # it ended meanwhile
                log.info("deadline_met", operation_id=row["id"], error=error.message)
                continue
            cancelled += 1
        return cancelled
