"""Whether a provider is quick enough to be called where an operation's workflow runs.

A call made there saves the engine's round trips, but holds the workflow's slot. So it is made only
while the provider answers fast; everything else goes through the provider's own queue, where
waiting holds up nobody.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from perdure.core.errors import ProviderError, ProviderNotCalled, ProviderRateLimited
from perdure.core.script import Body, CallStep, Given, Result
from perdure.core.turns import turn_at
from perdure.limits.permits import PermitFor
from perdure.operations.attempts import attempt_begins

_WEIGHT_OF_THE_LATEST: Final = 0.2
_FAILING: Final = 0.5
"""A provider of whose latest calls a greater share failed is failing: four in a row are.

One alone says nothing, as what is wrong may be the recipient's mailbox or the payer's card.
"""


class FirstTries:
    """Watches one provider from one process.

    Args:
        at_once_max: How many first tries may be under way; 0: none are made.
        slow_s: A provider that takes longer than this on average is slow.
        pause_s: How long a provider that is failing, or slow, is left to its queue.
    """

    def __init__(
        self,
        *,
        at_once_max: int = 32,
        slow_s: float = 1.0,
        pause_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once_max = at_once_max
        self._slow_s = slow_s
        self._pause_s = pause_s
        self._clock = clock
        self._under_way = 0
        self._average_s = 0.0
        self._failing_share = 0.0
        self._failing_until = float("-inf")
        self._slow_until = float("-inf")

    def may_begin(self) -> bool:
        """Whether a first try may be made now."""
        return self._under_way < self._at_once_max and not self.is_left_alone

    @property
    def is_left_alone(self) -> bool:
        """Whether the provider is failing, or slow, and left to its queue."""
        return self.is_failing or self._clock() < self._slow_until

    def leave_alone(self) -> None:
        """Leave the provider to its queue for a while: its calls take too long to end."""
        self._slow_until = self._clock() + self._pause_s

    async def attempt(
        self, provider: str, permit: PermitFor, call: Callable[[], Awaitable[Result]]
    ) -> Result | None:
        """Make a first try; None: not now.

        Args:
            permit: Lets a call begin at once, or raises `ProviderRateLimited` or
                `ProviderNotCalled`.
        """
        if not self.may_begin():
            return None
        try:
            async with turn_at(permit(provider), on_taken=attempt_begins):
                return await call()
        except (ProviderRateLimited, ProviderNotCalled):
            return None

    @property
    def is_failing(self) -> bool:
        """Whether the provider's latest calls have mostly failed."""
        return self._clock() < self._failing_until

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Watch one call to the provider."""
        self._under_way += 1
        began_s = self._clock()
        has_failed = False
        try:
            yield
        except ProviderError as error:
            has_failed = error.is_of_the_provider
            raise
        finally:
            self._under_way -= 1
            self._note_time(self._clock() - began_s)
            self._note_outcome(has_failed=has_failed)

    def _note_time(self, took_s: float) -> None:
        self._average_s += (took_s - self._average_s) * _WEIGHT_OF_THE_LATEST
        if self._average_s > self._slow_s:
            self.leave_alone()
            self._average_s = 0.0

    def _note_outcome(self, *, has_failed: bool) -> None:
        self._failing_share += (has_failed - self._failing_share) * _WEIGHT_OF_THE_LATEST
        if self._failing_share > _FAILING:
            self._failing_until = self._clock() + self._pause_s
            # After the pause one failure is enough for the next.
            self._failing_share = _FAILING


def call_first_try(
    call: CallStep[Given, Any], body: Body, *, first_tries: FirstTries, permit: PermitFor
) -> Body:
    """Return the body of the step that makes the first try of a call, where its workflow runs."""
    assert call.first_try is not None, f"{call.name} has no first try"
    returns = call.first_try.returns

    async def run(given: Given) -> object:
        provider = call.provider(given)
        return returns(await first_tries.attempt(provider, permit, lambda: body(given)))

    return run
