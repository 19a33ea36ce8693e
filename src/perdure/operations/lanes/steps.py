"""A step in a lane: what it raises has its operation wait, or leave the lane."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from perdure.core.errors import (
    PerdureError,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.telemetry import telemetry
from perdure.core.turns import turn_at
from perdure.limits.permits import PermitFor
from perdure.operations.attempts import Attempt, attempt_begins, attempt_under_way


@dataclass(frozen=True, slots=True)
class AtProvider:
    """Which step waits, and for which provider."""

    step: str
    provider: str


class Promoted(Exception):
    """The operation cannot go on in a lane."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Postponed(Exception):
    """A provider is away, or asked to wait; nothing was done there.

    Args:
        retry_after_s: When to try again, in seconds.
        is_for_all: Nobody gets through to it, so this was no fault of the operation's.
    """

    def __init__(
        self, reason: str, retry_after_s: float | None, *, is_for_all: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.is_for_all = is_for_all
        self.at: AtProvider | None = None


class StretchOver(Exception):
    """The stretch ended while the operation waited for its turn at a provider: the next one's.

    Args:
        is_for_all: Nobody gets through to the provider.
    """

    def __init__(self, *, is_for_all: bool = False) -> None:
        super().__init__("The stretch is over.")
        self.is_for_all = is_for_all
        self.at: AtProvider | None = None


@contextmanager
def lane_step(name: str) -> Iterator[None]:
    """Run one step in a lane: what it raises has the operation leave the lane, or wait."""
    with attempt_under_way(Attempt(name)):
        try:
            with telemetry().span(name, {"step": name}):
                yield
        except PerdureError as error:
            reason = f"{name}: {error.message}"
            if isinstance(error, ProviderError) and _is_waited_out(error):
                for_all = error.nobody_gets_through
                raise Postponed(reason, error.retry_after_s, is_for_all=for_all) from error
            raise Promoted(reason) from error


def _is_waited_out(error: ProviderError) -> bool:
    # What is unknown of one is found out by its own workflow; what is unknown of all, when it ends.
    nothing_was_done = isinstance(error, ProviderUnavailable | ProviderRateLimited)
    return nothing_was_done or error.nobody_gets_through


@asynccontextmanager
async def provider_lane_step(name: str, provider: str, permit: PermitFor) -> AsyncIterator[None]:
    """Run one step that calls a provider: `lane_step`, and its calls as the limit lets them."""
    try:
        with lane_step(name):
            async with turn_at(permit(provider), on_taken=attempt_begins):
                yield
    except (Postponed, StretchOver) as waits:
        waits.at = AtProvider(name, provider)
        raise
