"""Calls to the outside that must not be made twice: yes, no, or unknown.

The intent to call is committed before the call, with a lease longer than the call's time-out. A
runner that finds an intent asks the provider by our reference, whether who made the call is at it
still or is dead: what the provider has done is so for both. That it has done nothing is believed
once the lease is over; only then is the call made again. Nothing is repeated or failed on a guess,
and no answer is taken for a yes that does not agree with what was asked.
"""

import asyncio
from datetime import datetime
from typing import Final

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import (
    ANSWERS,
    HAS_IT_ALREADY,
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    Refused,
)
from perdure.core.turns import take_turn
from perdure.operations.attempts import current_attempt
from perdure.operations.provider_call import Answer, ProviderCall, Said
from perdure.operations.provider_call_records import (
    LEASE_MARGIN_S,
    Call,
    Intent,
    ProviderCallRecords,
)
from perdure.operations.steps import from_json
from perdure.storage.pool import Pool

_HELD_UP_S_MAX: Final = LEASE_MARGIN_S / 2
"""How long after its lease began a call may still be sent."""


class ProviderCalls:
    """Makes each call at most once, across attempts, runners and crashes."""

    def __init__(self, pool: Pool, *, clock: Clock = utc_now) -> None:
        self._records = ProviderCallRecords(pool, clock)
        self._clock = clock

    async def get_or_create(self, call: ProviderCall[Said, Answer]) -> Answer:
        """Return the provider's answer: the stored one, the one it knows of, or a new one.

        Raises:
            Refused, InvalidInput: The provider said no; saying it again would be answered the same.
            ProviderUnavailable, ProviderRateLimited: Nothing was done; try again later.
            ProviderOutcomeUnknown: It may have acted, or another runner is calling; ask again
                later.
            ProviderDisagrees: It says something else than it was asked: neither yes nor no.
            OperationCancelled, OperationParked, Conflict: The operation is to stop, is held by an
                operator, or has ended.
        """
        current_attempt(call.step)
        # Before the lease begins: what waits for its turn must not use it up.
        await take_turn()
        lease_until = self._records.new_lease(call)
        intent = await self._records.intend(call, lease_until)
        if intent is not None:
            if (known := _known_answer(call, intent)) is not None:
                return known
            if (said := await self._inquire(call, intent)) is not None:
                return await self._take(call, said, intent)
            lease_until = self._records.new_lease(call)
            await self._records.take_over(call, intent, lease_until)
        return await self._create(call, lease_until)

    async def resolve(self, call: ProviderCall[Said, Answer]) -> Answer | None:
        """Find out what became of a call without making it; None: it was not made, and will not be.

        Raises:
            Refused, InvalidInput: The provider had said no.
            ProviderOutcomeUnknown: Not known yet; ask again later.
            ProviderDisagrees: As `get_or_create`.
        """
        intent = await self._records.look(call)
        if intent is None or intent.state == "not_made":
            return None
        if (known := _known_answer(call, intent)) is not None:
            return known
        if (said := await self._inquire(call, intent)) is not None:
            return await self._take(call, said, intent)
        await self._records.close(call, intent)
        return None

    async def left_behind(self, call: ProviderCall[Said, Answer]) -> Said | None:
        """Ask what a call left at the provider that may have to be undone; None: nothing.

        It is asked whatever it answered before: a no may have been to a repeat of what was done.
        What it has is ours by its reference, and may be other than what was asked for.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again later.
            ProviderDisagrees: It has something of another reference; or it knows no more of what it
                answered, and nobody of the house, told so, had the operation go on.
        """
        intent = await self._records.look(call)
        if intent is None or intent.state == "not_made":
            return None
        asked_at = self._clock()
        said = await self._ask(call)
        if said is not None:
            if call.expects is not None:
                call.expects.check_is_about(said)
            if intent.state != "answered":
                await self._records.answered(call, call.outcome(said))
            return said
        if intent.state == "answered" or (intent.was_answered_otherwise and not call.repeatable):
            gone = _knows_no_more(call, intent, "Have it found there, or go on once none is left.")
            if not await self._records.went_on_after(call, gone):
                raise gone
        if intent.state in ("intended", "unknown"):
            self._records.check_lease(call, intent, at=asked_at)
            await self._records.close(call, intent)
        return None

    async def _ask(self, call: ProviderCall[Said, Answer]) -> Said | None:
        await take_turn()
        try:
            return await call.find()
        except ProviderError as error:
            raise ProviderOutcomeUnknown(
                _cannot_be_asked(call, error),
                retry_after_s=error.retry_after_s,
                asked_wait_s=error.asked_wait_s,
            ) from error
        except ANSWERS as no:  # to the question, not to the call
            raise ProviderOutcomeUnknown(_cannot_be_asked(call, no)) from no

    async def _inquire(self, call: ProviderCall[Said, Answer], intent: Intent) -> Said | None:
        """Ask the provider; None once it is sure that the call was not made."""
        asked_at = self._clock()
        said = await self._ask(call)
        if said is None:
            self._check_never_seen(call, intent, asked_at=asked_at)
        return said

    def _check_never_seen(self, call: Call, intent: Intent, *, asked_at: datetime) -> None:
        """Believe that a call was never seen, unless it was answered, or may still arrive."""
        if intent.was_answered_otherwise and not call.repeatable:
            raise _knows_no_more(call, intent, "Have it found there: it is not made again.")
        # The call may have arrived since the provider looked.
        self._records.check_lease(call, intent, at=asked_at)

    async def _create(self, call: ProviderCall[Said, Answer], lease_until: datetime) -> Answer:
        try:
            self._check_not_held_up(call, lease_until)
            async with asyncio.timeout(call.timeout_s):
                said = await call.create()
        except TimeoutError:
            error = ProviderOutcomeUnknown(f"{call.provider} did not answer in {call.timeout_s} s.")
            await self._records.unknown(call, lease_until, error)
            raise error from None
        except (ProviderUnavailable, ProviderRateLimited):
            await self._records.not_made(call, lease_until)
            raise
        except ProviderOutcomeUnknown as error:
            if error.code == HAS_IT_ALREADY:
                return await self._read_instead(call, lease_until, error)
            await self._records.unknown(call, lease_until, error)
            raise
        except ProviderDisagrees as error:
            await self._records.answered_otherwise(call, lease_until, error, None)
            return await self._ask_instead(call, error)
        except (Refused, InvalidInput) as no:
            return await self._believe(call, lease_until, no)
        try:
            return await self._take(call, said, lease_until)
        except ProviderDisagrees as error:
            return await self._ask_instead(call, error)

    async def _read_instead(
        self, call: ProviderCall[Said, Answer], lease_until: datetime, error: ProviderOutcomeUnknown
    ) -> Answer:
        """Read what the provider says that it has already: ours, if it agrees."""
        try:
            said = await self._ask(call)
            if said is None:
                raise error
        except ProviderOutcomeUnknown as unknown:
            await self._records.unknown(call, lease_until, unknown)
            raise
        return await self._take(call, said, lease_until)

    async def _ask_instead(
        self, call: ProviderCall[Said, Answer], error: ProviderDisagrees
    ) -> Answer:
        """Ask about a call that was answered otherwise: what the provider's books say decides."""
        intent = await self._records.look(call)
        if intent is None or not intent.was_answered_otherwise:
            raise error  # somebody else has found out more
        said = await self._inquire(call, intent)
        if said is None:
            raise error
        return await self._take(call, said, intent)

    async def _believe(
        self, call: ProviderCall[Said, Answer], lease_until: datetime, no: PerdureError
    ) -> Answer:
        """Take a no for one; that to a repeat only once the provider knows of no call before it.

        Raises:
            Refused, InvalidInput: It is one.
            ProviderOutcomeUnknown: It may be about the repeat alone.
        """
        intent = await self._records.made_under(call, lease_until)
        if intent.calls > 1:
            try:
                said = await self._ask(call)
                if said is None and not isinstance(no, Refused):
                    # Not one of the provider's documented refusals.
                    raise ProviderOutcomeUnknown(
                        f"{call.provider} did not take a repeat under {call.reference}, and an"
                        f" earlier call may still be under way: {no.message}"
                    )
            except ProviderOutcomeUnknown as error:
                await self._records.unknown(call, lease_until, error)
                raise error from no
            except ProviderDisagrees as error:
                await self._records.answered_otherwise(call, lease_until, error, None)
                raise
            if said is not None:
                return await self._take(call, said, lease_until)
        await self._records.refused(call, lease_until, no)
        raise no

    def _check_not_held_up(self, call: Call, lease_until: datetime) -> None:
        """Leave a call to the next attempt if it would end too late for those who wait for it."""
        left_s = (lease_until - self._clock()).total_seconds()
        if left_s < call.timeout_s + LEASE_MARGIN_S - _HELD_UP_S_MAX:
            raise ProviderUnavailable(
                f"The call to {call.provider} was held up here and not made; try again later."
            )

    async def _take(
        self, call: ProviderCall[Said, Answer], said: Said, seen: Intent | datetime
    ) -> Answer:
        """Keep an answer, as a yes if it agrees with what was asked.

        Args:
            seen: The intent that was asked about, or the lease under which the call was made.
        """
        if call.expects is not None:
            try:
                call.expects.check(said)
            except ProviderDisagrees as error:
                if isinstance(seen, Intent) and seen.state == "intended":
                    # Of what is half done, anything may be told.
                    self._records.check_lease(call, seen)
                await self._records.answered_otherwise(call, seen, error, said)
                raise
        answer = call.outcome(said)
        await self._records.answered(call, answer)
        return answer


def _known_answer(call: ProviderCall[Said, Answer], intent: Intent) -> Answer | None:
    if intent.state == "refused":
        # A no that the provider does not document says less: who undoes asks what was done.
        no = ProviderDeclined if intent.answer.get("documented", True) else InvalidInput
        raise no(intent.answer["message"], code=intent.answer["code"])
    return from_json(call.returns, intent.answer) if intent.state == "answered" else None


def _cannot_be_asked(call: Call, error: PerdureError) -> str:
    return f"{call.provider} could not be asked about {call.reference}: {error.message}"


def _knows_no_more(call: Call, intent: Intent, advice: str) -> ProviderDisagrees:
    before = f" ({intent.answer['message']})" if intent.was_answered_otherwise else ""
    return ProviderDisagrees(
        f"{call.provider} answered a call under {call.reference}{before}, and says now that it"
        f" knows of none. {advice}"
    )
