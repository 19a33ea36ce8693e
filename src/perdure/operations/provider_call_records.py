"""What is written of calls to the outside: the intent, its lease, what was answered.

A runner writes only what it still has a right to: whoever comes late must not undo what another has
found out, or is doing, since.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from perdure.core.clock import Clock
from perdure.core.errors import (
    CALL_UNDER_WAY,
    EARLIER_CALL_UNDER_WAY,
    PerdureError,
    ProviderDisagrees,
    ProviderOutcomeUnknown,
    Refused,
)
from perdure.operations import store
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.joined import NewAnswer, NewIntent, joined_with
from perdure.operations.model import CUSTOMERS_KEY, FINISHED, Failure, Operation, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_call_groups import DELIVERED, ProviderCallGroups
from perdure.operations.steps import check_may_begin, check_not_replaced, may_begin, to_json
from perdure.storage.pool import Connection, Pool, transaction

LEASE_MARGIN_S: Final = 5.0
"""How long after its time-out a call may still arrive at the provider."""

_UNDER_WAY_S: Final = 30.0
"""How long a call may take that the provider says it is at work on."""

_ASK_AGAIN_S_MIN: Final = 0.5
"""How soon the provider is asked again about a call of which nobody has told what became of it."""

Call = ProviderCall[Any, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """A call as its row has it.

    Args:
        calls: How often it was made.
        answer: Of one that is `unknown`: the answer that did not agree with what was asked.
    """

    state: str
    lease_until: datetime
    calls: int
    answer: Any

    @property
    def was_answered_otherwise(self) -> bool:
        """Whether the provider answered something else than it was asked: it has acted."""
        return self.state == "unknown" and self.answer is not None

    def is_still(self, seen: "Intent | datetime") -> bool:
        """Whether nobody wrote it since it was read, or since the call under this lease began."""
        if isinstance(seen, Intent):
            return self == seen
        return self.state == "intended" and self.lease_until == seen


class ProviderCallRecords:
    """Reads and writes the rows of calls, and the operation's status with them."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._groups = ProviderCallGroups(pool)

    def new_lease(self, call: Call) -> datetime:
        """Return until when a call that is made now may still arrive."""
        return self._clock() + timedelta(seconds=call.timeout_s + LEASE_MARGIN_S)

    def check_lease(self, call: Call, intent: Intent, *, at: datetime | None = None) -> None:
        """Refuse to decide about a call that may still arrive.

        Raises:
            ProviderOutcomeUnknown: Until its lease is over.
        """
        remaining_s = (intent.lease_until - (at or self._clock())).total_seconds()
        if remaining_s <= 0:
            return
        lease_s = call.timeout_s + LEASE_MARGIN_S
        told = f"An earlier call to {call.provider} under {call.reference} may still be under way."
        if intent.state != "intended":
            # The provider said that it is at work on it: to wait for that is no try.
            code = EARLIER_CALL_UNDER_WAY if remaining_s > lease_s else None
            raise ProviderOutcomeUnknown(told, retry_after_s=min(remaining_s, lease_s), code=code)
        # Most calls are quick, so it is asked soon, and then after as long again.
        again_s = max(lease_s - remaining_s, _ASK_AGAIN_S_MIN)
        raise ProviderOutcomeUnknown(
            told, retry_after_s=min(remaining_s, again_s), code=EARLIER_CALL_UNDER_WAY
        )

    async def intend(self, call: Call, lease_until: datetime) -> Intent | None:
        """Commit the intent to call; or return the earlier one, whose fate comes first."""
        new = NewIntent(
            call.operation_id,
            call.step,
            call.provider,
            call.reference,
            lease_until,
            undoes=call.undoes,
            moves=call.moves,
        )
        joined = joined_with(call.operation_id)
        await joined.write_answer()
        if await joined.do_step(new) or await self._groups.intend(new):
            return None
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            intent = await _find(connection, call)
            if intent is None or intent.state == "not_made":
                if not call.undoes:
                    check_may_begin(operation, call.step)
                    check_not_replaced(operation)
                await _write_intent(connection, call, lease_until)
                if call.moves and not _goes_on(operation, call.step):
                    await _move(connection, operation, Status.PROCESSING, f"{call.step}_begun")
                return None
            if intent.state == "answered" and call.delivers is not None:
                # Its answer was kept before answers said so themselves.
                await connection.execute(DELIVERED, call.delivers)
            return intent

    async def look(self, call: Call) -> Intent | None:
        """Return what is known of a call; None: it was never intended."""
        async with transaction(self._pool) as connection:
            await store.lock(connection, call.operation_id)
            return await _find(connection, call)

    async def made_under(self, call: Call, lease_until: datetime) -> Intent:
        """Return a call that is being made here.

        Raises:
            ProviderOutcomeUnknown: Another runner took it over.
        """
        intent = await _find(self._pool, call)
        if intent is None or not intent.is_still(lease_until):
            raise _taken_over(call)
        return intent

    async def take_over(self, call: Call, intent: Intent, lease_until: datetime) -> None:
        """Renew the intent of a call that was not made, unless another runner already did."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await _check_still(connection, call, intent)
            begins = call.undoes or may_begin(operation)
            if begins:
                await _write_intent(connection, call, lease_until)
            else:
                # Known not to have been made, and it never will be: there is nothing to undo.
                await _set_state(connection, call, "not_made", lease_until=self._clock())
        if not begins:
            check_may_begin(operation, call.step)

    async def close(self, call: Call, intent: Intent) -> None:
        """Write that a call was not made, and is not going to be."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await _check_still(connection, call, intent)
            await _set_state(connection, call, "not_made", lease_until=self._clock())
            if call.moves:
                await _move(connection, operation, Status.PROCESSING, f"{call.step}_not_made")

    async def answered(self, call: Call, answer: Any) -> None:
        """Write a yes, as it is kept; it is one whoever found it out."""
        kept = to_json(answer)
        attempt = current_attempt(call.step)
        new = NewAnswer(
            call.operation_id,
            call.step,
            call.reference,
            kept,
            attempt,
            call.status_after if call.moves else None,
            call.delivers,
        )
        leads_on = new.status_after == Status.PROCESSING
        if leads_on and joined_with(new.operation_id).put_off_answer(new, self._write_answer):
            return
        await self._write_answer(new)

    async def _write_answer(self, new: NewAnswer) -> None:
        if await self._groups.answer(new):
            return
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, new.operation_id)
            await _set_state(connection, new, "answered", answer=new.answer)
            await record_attempt(
                connection,
                new.operation_id,
                new.attempt,
                outcome="succeeded",
                provider_reference=new.reference,
                finished_at=new.answered_at,
            )
            if new.status_after is not None:
                await _move(connection, operation, new.status_after, f"{new.step}_answered")
            if new.delivers is not None:
                await connection.execute(DELIVERED, new.delivers)

    async def refused(self, call: Call, lease_until: datetime, no: PerdureError) -> None:
        """Write a no to a call that was made here.

        Raises:
            ProviderOutcomeUnknown: Another runner took the call over.
        """
        async with transaction(self._pool) as connection:
            await store.lock(connection, call.operation_id)
            await _check_still(connection, call, lease_until)
            refusal = {
                "code": no.code,
                "message": no.message,
                "documented": isinstance(no, Refused),
            }
            await _set_state(connection, call, "refused", answer=refusal)
            await record_attempt(
                connection,
                call.operation_id,
                current_attempt(call.step),
                outcome="failed",
                error=no,
                provider_reference=call.reference,
            )

    async def not_made(self, call: Call, lease_until: datetime) -> None:
        """Write that a call never left."""
        async with transaction(self._pool) as connection:
            await store.lock(connection, call.operation_id)
            if await _is_still(connection, call, lease_until):
                await _set_state(connection, call, "not_made", lease_until=self._clock())

    async def unknown(
        self, call: Call, lease_until: datetime, error: ProviderOutcomeUnknown
    ) -> None:
        """Write that a call was made, and that its answer is not known."""
        until = None if error.in_flight else self._clock()
        if error.code == CALL_UNDER_WAY:
            until = self._clock() + timedelta(seconds=_UNDER_WAY_S)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            if not await _is_still(connection, call, lease_until):
                return
            await _set_state(connection, call, "unknown", lease_until=until)
            if call.moves:
                failure = Failure(error.code, error.message, call.step)
                await _move(connection, operation, Status.UNKNOWN, f"{call.step}_unknown", failure)

    async def answered_otherwise(
        self, call: Call, seen: Intent | datetime, error: ProviderDisagrees, said: object | None
    ) -> None:
        """Keep an answer that is neither a yes nor a no to what was asked."""
        ends_at = None if isinstance(seen, Intent) else self._clock()
        kept = {"message": error.message, "said": None if said is None else to_json(said)}
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            if not await _is_still(connection, call, seen):
                return
            await _set_state(connection, call, "unknown", answer=kept, lease_until=ends_at)
            if call.moves:
                failure = Failure(error.code, error.message, call.step)
                action = f"{call.step}_disagrees"
                await _move(connection, operation, Status.UNKNOWN, action, failure)

    async def went_on_after(self, call: Call, error: ProviderDisagrees) -> bool:
        """Whether an operation was parked for this, and somebody of the house had it go on.

        Not in a bulk, for which nobody has read it.
        """
        found: bool = await self._pool.fetchval(
            "SELECT EXISTS (SELECT FROM operation_trail told"
            " JOIN operation_trail went_on USING (operation_id)"
            " WHERE operation_id = $1 AND told.action = 'parked' AND told.reason = $2"
            " AND went_on.id > told.id AND went_on.action IN ('relaunched', 'resumed')"
            " AND NOT starts_with(went_on.actor, $3)"
            " AND NOT coalesce(went_on.data, '{}') ? 'bulk_id')",
            call.operation_id,
            error.message,
            CUSTOMERS_KEY,
        )
        return found


def _goes_on(operation: Operation, step: str) -> bool:
    """Whether a call changes nothing of how its operation stands, which may wait for this one."""
    waits = operation.status == Status.WAITING and operation.failure
    return bool(waits and waits.step == step) or operation.status in (
        Status.PROCESSING,
        Status.REVERSING,
    )


async def _find(connection: Connection | Pool, call: Call) -> Intent | None:
    row = await connection.fetchrow(
        "SELECT state, lease_until, calls, answer FROM provider_calls"
        " WHERE operation_id = $1 AND step = $2",
        call.operation_id,
        call.step,
    )
    return Intent(**dict(row)) if row else None


async def _is_still(connection: Connection, call: Call, seen: Intent | datetime) -> bool:
    intent = await _find(connection, call)
    return intent is not None and intent.is_still(seen)


async def _check_still(connection: Connection, call: Call, seen: Intent | datetime) -> None:
    if not await _is_still(connection, call, seen):
        raise _taken_over(call)


def _taken_over(call: Call) -> ProviderOutcomeUnknown:
    return ProviderOutcomeUnknown(
        f"Another runner took the call under {call.reference} over.", retry_after_s=call.timeout_s
    )


async def _write_intent(connection: Connection, call: Call, lease_until: datetime) -> None:
    await connection.execute(
        "INSERT INTO provider_calls"
        " (operation_id, step, provider, reference, state, lease_until, calls)"
        " VALUES ($1, $2, $3, $4, 'intended', $5, 1) ON CONFLICT (operation_id, step)"
        " DO UPDATE SET state = 'intended', lease_until = excluded.lease_until, answer = NULL,"
        " calls = provider_calls.calls + 1, updated_at = now()",
        call.operation_id,
        call.step,
        call.provider,
        call.reference,
        lease_until,
    )


async def _set_state(
    connection: Connection,
    call: Call | NewAnswer,
    state: str,
    *,
    answer: Any = None,
    lease_until: datetime | None = None,
) -> None:
    await connection.execute(
        "UPDATE provider_calls SET state = $3, answer = $4,"
        " lease_until = coalesce($5, lease_until), updated_at = now()"
        " WHERE operation_id = $1 AND step = $2",
        call.operation_id,
        call.step,
        state,
        answer,
        lease_until,
    )


async def _move(
    connection: Connection,
    operation: Operation,
    status: Status,
    action: str,
    failure: Failure | None = None,
) -> None:
    # What is being undone stays `reversing` to its end, so that no other runner goes forward with
    # it; nothing moves what has ended, nor what an operator holds.
    stays = operation.status == status and (failure is not None or operation.failure is None)
    if stays or operation.status in {*FINISHED, Status.REVERSING} or operation.park_request:
        return
    await store.move(connection, operation, status, action=action, failure=failure)
