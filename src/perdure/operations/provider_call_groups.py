"""The records of provider calls in flight at the same time, written together.

As with steps, a group does what is certain: a first intent, the answer to it. What it leaves
(False) is done by itself, by `ProviderCalls`.
"""

from collections.abc import Sequence
from typing import Final

from perdure.operations import store
from perdure.operations.joined import NewAnswer, NewIntent
from perdure.operations.steps import MAY_GO_FORWARD
from perdure.storage.group_commit import GroupCommit
from perdure.storage.outages import is_away
from perdure.storage.pool import Connection, Pool


class ProviderCallGroups:
    """Writes intents and answers in groups."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._intents: GroupCommit[NewIntent, bool] = GroupCommit(self._write_intents)
        self._answers: GroupCommit[NewAnswer, bool] = GroupCommit(self._write_answers)

    async def intend(self, intent: NewIntent) -> bool:
        """Commit a first intent; False: nothing was written, and the call needs a closer look."""
        try:
            return await self._intents.submit(intent)
        except Exception as error:
            if is_away(error):
                raise
            return False

    async def answer(self, answer: NewAnswer) -> bool:
        """Commit an answer; False: nothing was written, and it needs a closer look."""
        try:
            written = await self._answers.submit(answer)
        except Exception as error:
            if is_away(error):
                raise
            return False
        answer.attempt.is_recorded = answer.attempt.is_recorded or written
        return written

    async def _write_intents(self, intents: list[NewIntent]) -> Sequence[bool]:
        return await write_intents(self._pool, intents)

    async def _write_answers(self, answers: list[NewAnswer]) -> Sequence[bool]:
        return await write_answers(self._pool, answers)


async def write_intents(connection: Connection | Pool, intents: Sequence[NewIntent]) -> list[bool]:
    """Write first intents; returns of each whether it was written."""
    rows = await connection.fetch(
        _INTEND,
        [intent.operation_id for intent in intents],
        [intent.step for intent in intents],
        [intent.provider for intent in intents],
        [intent.reference for intent in intents],
        [intent.lease_until for intent in intents],
        [intent.undoes for intent in intents],
        [intent.moves for intent in intents],
    )
    written = {(row["operation_id"], row["step"]) for row in rows}
    results = []
    for intent in intents:
        key = (intent.operation_id, intent.step)
        results.append(key in written)
        # Of two runners of one call in a group, only the first may make it.
        written.discard(key)
    return results


async def write_answers(connection: Connection | Pool, answers: Sequence[NewAnswer]) -> list[bool]:
    """Write answers; returns of each whether it was written."""
    rows = await connection.fetch(
        _ANSWER,
        [answer.operation_id for answer in answers],
        [answer.step for answer in answers],
        [answer.reference for answer in answers],
        [answer.answer for answer in answers],
        [answer.attempt.number for answer in answers],
        [answer.attempt.started_at for answer in answers],
        [answer.status_after for answer in answers],
        store.SYSTEM,
        [answer.delivers for answer in answers],
        [answer.answered_at for answer in answers],
    )
    written = {row["id"] for row in rows}
    return [answer.operation_id in written for answer in answers]


DELIVERED: Final = (
    "UPDATE notifications SET state = 'sent', ended_at = now() WHERE id = $1 AND state = 'pending'"
)
"""A message is sent once its call is answered."""

# One statement each, so that they cost one round trip. Operations that another holds are skipped,
# not waited for, and locked in one order, so that groups never wait for each other in a circle.

# Written is what may begin, and whose beginning changes nothing but its own record.
_INTEND: Final = f"""
WITH intent AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
        $6::boolean[], $7::boolean[])
    AS intent (id, step, provider, reference, lease_until, undoes, moves)
), free AS MATERIALIZED (
    SELECT id, status, {MAY_GO_FORWARD} AS goes_forward FROM operations
    WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until, calls)
SELECT id, step, provider, reference, 'intended', lease_until, 1 FROM intent JOIN free USING (id)
WHERE (undoes OR goes_forward) AND (NOT moves OR status IN ('processing', 'reversing'))
ON CONFLICT (operation_id, step) DO NOTHING
RETURNING operation_id, step
"""

# What has ended, is being undone, or is held by an operator, keeps its status.
_ANSWER: Final = f"""
WITH answer AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::integer[],
        $6::timestamptz[], $7::text[], $9::text[], $10::timestamptz[])
    AS answer (id, step, reference, answer, attempt, started_at, status_after, delivers,
        answered_at)
), free AS MATERIALIZED (
    SELECT id, status, failure, lane, workflow_started_at, park_request FROM operations
    WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), attempt AS (
    INSERT INTO operation_steps (operation_id, step, attempt, outcome, provider_reference,
        started_at, finished_at)
    SELECT id, step, attempt, 'succeeded', reference, started_at, answered_at
    FROM answer JOIN free USING (id)
), call AS (
    UPDATE provider_calls SET state = 'answered', answer = answer.answer, updated_at = now()
    FROM answer JOIN free USING (id)
    WHERE operation_id = answer.id AND provider_calls.step = answer.step
), move AS (
    SELECT id, step, status_after FROM answer JOIN free USING (id)
    WHERE status_after IS NOT NULL AND (status <> status_after OR failure IS NOT NULL)
        AND park_request IS NULL
        AND status NOT IN ('succeeded', 'failed', 'cancelled', 'reversing')
), trail AS (
    INSERT INTO operation_trail (operation_id, actor, action, status)
    SELECT id, $8, step || '_answered', status_after FROM move
), moved AS (
    UPDATE operations SET status = move.status_after, failure = NULL, updated_at = now(),
        workflow_started_at = {store.STARTED_BY_A_STEP}
    FROM move WHERE operations.id = move.id
), delivered AS (
    UPDATE notifications SET state = 'sent', ended_at = now() FROM answer JOIN free USING (id)
    WHERE notifications.id = delivers AND notifications.state = 'pending'
)
SELECT id FROM free
"""
