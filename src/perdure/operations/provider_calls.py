"""Calls to the outside that must not be made twice: yes, no, or unknown.

The intent to call is committed before the call, with a lease longer than the call's time-out. A
runner that finds an intent waits the lease out and then asks the provider by our reference before
it calls again. Nothing is repeated or failed on a guess.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    Refused,
)
from perdure.core.turns import take_turn
from perdure.operations import store
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.model import FINISHED, Failure, Operation, Status
from perdure.operations.provider_call_groups import NewAnswer, NewIntent, ProviderCallGroups
from perdure.operations.steps import check_may_begin, from_json, may_begin, to_json
from perdure.storage.pool import Connection, Pool, transaction

Answer = TypeVar("Answer")

LEASE_MARGIN_S: Final = 5.0
"""How long after its time-out a call may still arrive at the provider."""

_HELD_UP_S_MAX: Final = LEASE_MARGIN_S / 2
"""How long after its lease began a call may still be sent."""


@dataclass(frozen=True, slots=True)
class ProviderCall(Generic[Answer]):
    """One call, and how to find out what became of it.

    Args:
        operation_id: The operation it belongs to.
        step: The step's name within the operation.
        provider: The provider's name, as in `provider-<name>`.
        reference: Our reference at the provider: the same on every attempt.
        returns: The type of the answer, to read it back.
        timeout_s: The longest the call may take, in seconds.
        create: Makes the call.
        find: Asks the provider what it knows under our reference; None: it never saw it.
        undoes: The call undoes or informs, so neither a request to cancel nor the operation's end
            stops it.
        moves: The operation's status changes with the call's fate; not for calls beside the main
            line.
        status_after: The status the answer leads to.
    """

    operation_id: str
    step: str
    provider: str
    reference: str
    returns: type[Answer]
    timeout_s: float
    create: Callable[[], Awaitable[Answer]]
    find: Callable[[], Awaitable[Answer | None]]
    undoes: bool = False
    moves: bool = True
    status_after: Status = Status.PROCESSING


@dataclass(frozen=True, slots=True)
class _Intent:
    state: str
    lease_until: datetime
    calls: int
    answer: Any


class ProviderCalls:
    """Makes each call at most once, across attempts, runners and crashes."""

    def __init__(self, pool: Pool, *, clock: Clock = utc_now) -> None:
        self._pool = pool
        self._clock = clock
        self._groups = ProviderCallGroups(pool)

    async def get_or_create(self, call: ProviderCall[Answer]) -> Answer:
        """Return the provider's answer: the stored one, the one it knows of, or a new one.

        Raises:
            Refused, InvalidInput: The provider said no; saying it again would be answered the same.
            ProviderUnavailable, ProviderRateLimited: Nothing was done; try again later.
            ProviderOutcomeUnknown: It may have acted, or another runner is calling; ask again
                later.
            OperationCancelled, OperationParked, Conflict: The operation is to stop, is held by an
                operator, or has ended.
        """
        current_attempt(call.step)
        # Before the lease begins: what waits for its turn must not use it up.
        await take_turn()
        lease_until = self._new_lease(call)
        first = await self._intend_first(call, lease_until)
        intent = None if first else await self._intend(call, lease_until)
        if intent is not None:
            if (known := _known_answer(call, intent)) is not None:
                return known
            if (found := await self._inquire(call, intent)) is not None:
                return found
            lease_until = self._new_lease(call)
            await self._take_over(call, intent, lease_until)
        return await self._create(call, lease_until)

    async def resolve(self, call: ProviderCall[Answer]) -> Answer | None:
        """Find out what became of a call without making it; None: it was not made, and will not be.

        Raises:
            Refused, InvalidInput: The provider had said no.
            ProviderOutcomeUnknown: Not known yet; ask again later.
        """
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            intent = await _find_intent(connection, call)
            if intent is None or intent.state == "not_made":
                return None
            if intent.state == "intended":
                self._check_lease(call, intent)
        if (known := _known_answer(call, intent)) is not None:
            return known
        if (found := await self._inquire(call, intent)) is not None:
            return found
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await self._check_unchanged(connection, call, intent)
            await _set_state(connection, call, "not_made", lease_until=self._clock())
            if call.moves:
                await _move(connection, operation, Status.PROCESSING, f"{call.step}_not_made")
        return None

    async def _intend_first(self, call: ProviderCall[Answer], lease_until: datetime) -> bool:
        intent = NewIntent(
            call.operation_id,
            call.step,
            call.provider,
            call.reference,
            lease_until,
            undoes=call.undoes,
            moves=call.moves,
        )
        return await self._groups.intend(intent)

    async def _intend(self, call: ProviderCall[Answer], lease_until: datetime) -> _Intent | None:
        """Commit the intent to call; or return the earlier one, whose fate comes first."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            intent = await _find_intent(connection, call)
            if intent is None or intent.state == "not_made":
                if not call.undoes:
                    check_may_begin(operation, call.step)
                await self._write_intent(connection, call, lease_until)
                if call.moves and operation.status not in (Status.PROCESSING, Status.REVERSING):
                    await _move(connection, operation, Status.PROCESSING, f"{call.step}_begun")
                return None
            if intent.state == "intended":
                self._check_lease(call, intent)
            return intent

    def _check_lease(
        self, call: ProviderCall[Answer], intent: _Intent, *, at: datetime | None = None
    ) -> None:
        remaining_s = (intent.lease_until - (at or self._clock())).total_seconds()
        if remaining_s > 0:
            raise ProviderOutcomeUnknown(
                f"An earlier call to {call.provider} under {call.reference} may still be"
                " under way.",
                retry_after_s=remaining_s,
            )

    def _new_lease(self, call: ProviderCall[Answer]) -> datetime:
        return self._clock() + timedelta(seconds=call.timeout_s + LEASE_MARGIN_S)

    async def _write_intent(
        self, connection: Connection, call: ProviderCall[Answer], lease_until: datetime
    ) -> None:
        await connection.execute(
            "INSERT INTO provider_calls"
            " (operation_id, step, provider, reference, state, lease_until, calls)"
            " VALUES ($1, $2, $3, $4, 'intended', $5, 1) ON CONFLICT (operation_id, step)"
            " DO UPDATE SET state = 'intended', lease_until = excluded.lease_until,"
            " calls = provider_calls.calls + 1, updated_at = now()",
            call.operation_id,
            call.step,
            call.provider,
            call.reference,
            lease_until,
        )

    async def _inquire(self, call: ProviderCall[Answer], intent: _Intent) -> Answer | None:
        """Ask the provider; None once it is sure that the call was not made."""
        await take_turn()
        asked_at = self._clock()
        try:
            found = await call.find()
        except ProviderError as error:
            raise ProviderOutcomeUnknown(
                f"{call.provider} could not be asked about {call.reference}: {error.message}",
                retry_after_s=error.retry_after_s,
                asked_wait_s=error.asked_wait_s,
            ) from error
        if found is not None:
            await self._record_answer(call, found)
            return found
        # The call may have arrived since the provider looked.
        self._check_lease(call, intent, at=asked_at)
        return None

    async def _check_unchanged(
        self, connection: Connection, call: ProviderCall[Answer], intent: _Intent
    ) -> None:
        if await _find_intent(connection, call) != intent:
            raise ProviderOutcomeUnknown(
                f"Another runner took the call under {call.reference} over.",
                retry_after_s=call.timeout_s,
            )

    async def _take_over(
        self, call: ProviderCall[Answer], intent: _Intent, lease_until: datetime
    ) -> None:
        """Renew the intent of a call that was not made, unless another runner already did."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await self._check_unchanged(connection, call, intent)
            begins = call.undoes or may_begin(operation)
            if begins:
                await self._write_intent(connection, call, lease_until)
            else:
                # Known not to have been made, and it never will be: there is nothing to undo.
                await _set_state(connection, call, "not_made", lease_until=self._clock())
        if not begins:
            check_may_begin(operation, call.step)

    async def _create(self, call: ProviderCall[Answer], lease_until: datetime) -> Answer:
        try:
            self._check_not_held_up(call, lease_until)
            async with asyncio.timeout(call.timeout_s):
                answer = await call.create()
        except TimeoutError:
            error = ProviderOutcomeUnknown(f"{call.provider} did not answer in {call.timeout_s} s.")
            await self._record_failure(call, lease_until, "unknown", error)
            raise error from None
        except (ProviderUnavailable, ProviderRateLimited):
            await self._record_failure(call, lease_until, "not_made")
            raise
        except ProviderOutcomeUnknown as error:
            await self._record_failure(call, lease_until, "unknown", error)
            raise
        except (Refused, InvalidInput) as error:
            await self._record_refusal(call, lease_until, error)
            raise
        await self._record_answer(call, answer)
        return answer

    def _check_not_held_up(self, call: ProviderCall[Answer], lease_until: datetime) -> None:
        """Leave a call to the next attempt if it would end too late for those who wait for it."""
        left_s = (lease_until - self._clock()).total_seconds()
        if left_s < call.timeout_s + LEASE_MARGIN_S - _HELD_UP_S_MAX:
            raise ProviderUnavailable(
                f"The call to {call.provider} was held up here and not made; try again later."
            )

    async def _record_answer(self, call: ProviderCall[Answer], answer: Answer) -> None:
        new = NewAnswer(
            call.operation_id,
            call.step,
            call.reference,
            to_json(answer),
            current_attempt(call.step),
            call.status_after if call.moves else None,
        )
        if await self._groups.answer(new):
            return
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await _set_state(connection, call, "answered", answer=to_json(answer))
            await record_attempt(
                connection,
                call.operation_id,
                current_attempt(call.step),
                outcome="succeeded",
                provider_reference=call.reference,
            )
            if call.moves:
                await _move(connection, operation, call.status_after, f"{call.step}_answered")

    async def _record_refusal(
        self, call: ProviderCall[Answer], lease_until: datetime, error: PerdureError
    ) -> None:
        async with transaction(self._pool) as connection:
            await store.lock(connection, call.operation_id)
            if not await _is_ours(connection, call, lease_until):
                raise ProviderOutcomeUnknown(
                    f"Another runner took the call under {call.reference} over.",
                    retry_after_s=call.timeout_s,
                ) from error
            refusal = {"code": error.code, "message": error.message}
            await _set_state(connection, call, "refused", answer=refusal)
            await record_attempt(
                connection,
                call.operation_id,
                current_attempt(call.step),
                outcome="failed",
                error=error,
                provider_reference=call.reference,
            )

    async def _record_failure(
        self,
        call: ProviderCall[Answer],
        lease_until: datetime,
        state: str,
        error: ProviderOutcomeUnknown | None = None,
    ) -> None:
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            if not await _is_ours(connection, call, lease_until):
                return
            ended = state == "not_made" or (error is not None and not error.in_flight)
            await _set_state(connection, call, state, lease_until=self._clock() if ended else None)
            if error is not None and call.moves:
                failure = Failure(error.code, error.message, call.step)
                await _move(connection, operation, Status.UNKNOWN, f"{call.step}_unknown", failure)


async def _find_intent(connection: Connection, call: ProviderCall[Any]) -> _Intent | None:
    row = await connection.fetchrow(
        "SELECT state, lease_until, calls, answer FROM provider_calls"
        " WHERE operation_id = $1 AND step = $2",
        call.operation_id,
        call.step,
    )
    return _Intent(**dict(row)) if row else None


async def _is_ours(connection: Connection, call: ProviderCall[Any], lease_until: datetime) -> bool:
    """Whether the call is still the one that was made under this lease.

    Whoever comes late must not undo what another runner has found out, or is doing, since.
    """
    intent = await _find_intent(connection, call)
    return intent is not None and intent.state == "intended" and intent.lease_until == lease_until


def _known_answer(call: ProviderCall[Answer], intent: _Intent) -> Answer | None:
    if intent.state == "refused":
        raise ProviderDeclined(intent.answer["message"], code=intent.answer["code"])
    return from_json(call.returns, intent.answer) if intent.state == "answered" else None


async def _set_state(
    connection: Connection,
    call: ProviderCall[Any],
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
    if operation.status in {*FINISHED, Status.REVERSING, status} or operation.park_request:
        return
    await store.move(connection, operation, status, action=action, failure=failure)
