"""When an operation in a lane may call a provider: in its turn; or at once, or not at all."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from perdure.core.errors import ProviderNotCalled
from perdure.core.turns import Permit
from perdure.limits.permits import PermitFor, Permits
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.steps import StretchOver
from perdure.operations.lanes.work import current_work

_SHARE_OF_A_PROVIDER: Final = 3
"""No more of what is under way at a time than one in so many calls one provider."""
_ROOM_S: Final = 0.25
"""How long one waits for that many others: quick calls are over in a tenth of it."""
_ROOM_S_MAX: Final = 2.0
"""The same as long as some of them end: what comes at once, as after a worker's death, is many."""
_SOON_S: Final = 0.2
"""How long one waits for a provider's limit."""


def lane_permits(permits: Permits) -> PermitFor:
    """Return permits for what runs in a lane.

    In a flood, an operation waits for its turn without losing time of its own. In an interactive
    lane it does not wait: what is away, slow or limited is for a workflow of its own.
    """
    at_once = AtOnce(permits.within(_SOON_S))

    async def wait(granted: Awaitable[None], *, provider: str) -> None:
        if not await current_work().has_its_turn(granted):
            raise StretchOver(is_for_all=permits.is_away(provider))

    def permit(provider: str) -> AbstractAsyncContextManager[Permit]:
        if current_work().is_interactive:
            return at_once.permit(provider)
        return permits.permit(provider, is_one_of_many=True, wait=partial(wait, provider=provider))

    return permit


class AtOnce:
    """Lets calls be made to providers that are quick just now.

    Args:
        permit: Lets a call begin within a moment, or raises `ProviderRateLimited` or
            `ProviderNotCalled`.
    """

    def __init__(self, permit: PermitFor) -> None:
        self._permit = permit
        self._tries: defaultdict[str, FirstTries] = defaultdict(FirstTries)
        self._room: dict[str, asyncio.Semaphore] = {}
        self._ended: Counter[str] = Counter()

    @asynccontextmanager
    async def permit(self, provider: str) -> AsyncIterator[Permit]:
        """Hold a permit for one call.

        Raises:
            ProviderRateLimited, ProviderNotCalled: Not now; nothing was done.
        """
        tries = self._tries[provider]
        if tries.is_left_alone:
            raise ProviderNotCalled(f"{provider} is not quick now; nothing was done.")
        if provider not in self._room:
            at_once = max(current_work().limits.at_once // _SHARE_OF_A_PROVIDER, 1)
            self._room[provider] = asyncio.Semaphore(at_once)
        room = self._room[provider]
        if not await self._has_room(provider, room):
            tries.leave_alone()
            raise ProviderNotCalled(f"{provider} is slow now; nothing was done.")
        try:
            async with self._permit(provider) as held:
                with tries.under_way():
                    yield held
        finally:
            self._ended[provider] += 1
            room.release()

    async def _has_room(self, provider: str, room: asyncio.Semaphore) -> bool:
        """Wait for room, for as long as calls end; False: it takes too long."""
        for _ in range(round(_ROOM_S_MAX / _ROOM_S)):
            ended = self._ended[provider]
            try:
                async with asyncio.timeout(_ROOM_S):
                    await room.acquire()
            except TimeoutError:
                if self._ended[provider] == ended:
                    break
            else:
                return True
        return False
