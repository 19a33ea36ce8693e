"""How many requests a second a key has a share of; over it, it is asked to come again.

Counted by each API process for itself: agreeing on it would cost every request a round trip. Of
the fleet a key has its share times the number of processes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from perdure.api.keys import ApiKey
from perdure.core.errors import ProviderRateLimited
from perdure.operations.model import Side

_BURST_S: Final = 1.0
"""What was not used for so long may be used at once."""


@dataclass(slots=True)
class _Share:
    """What a key has used: all until a moment, which its next request moves on."""

    actor: str
    paid_until_s: float = 0.0


class RequestShares:
    """Counts the requests of every key that this process has seen.

    Args:
        customers_per_s: Of each customer's key.
        house_per_s: Of each of the house's keys.
    """

    def __init__(
        self,
        *,
        customers_per_s: float,
        house_per_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = {Side.CUSTOMER: customers_per_s, Side.HOUSE: house_per_s}
        self._clock = clock
        self._shares: dict[bytes, _Share] = {}

    def check(self, digest: bytes) -> None:
        """Refuse a key known to be over its share, before it costs the database a question.

        Raises:
            ProviderRateLimited: `too_many_requests`.
        """
        share = self._shares.get(digest)
        if share is None:
            return
        wait_s = share.paid_until_s - self._clock() - _BURST_S
        if wait_s > 0:
            structlog.contextvars.bind_contextvars(actor=share.actor)
            raise ProviderRateLimited(
                "This API key sends more requests than its share; wait as Retry-After says.",
                code="too_many_requests",
                retry_after_s=wait_s,
            )

    def take(self, digest: bytes, key: ApiKey) -> None:
        """Count a request of a key that is valid: so only those are remembered."""
        share = self._shares.setdefault(digest, _Share(key.actor))
        paid_until_s = max(share.paid_until_s, self._clock())
        share.paid_until_s = paid_until_s + 1 / self._per_s[key.side]
