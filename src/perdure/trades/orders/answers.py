"""Those who wait for what an asset's writer says, looked after together.

Each time the writer has answered, one look is taken for all who wait for it, so that a hundred in
flight are not a hundred who are woken by each other's answers.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Final, Generic, TypeVar

from perdure.operations.lanes.calls import Hear
from perdure.storage.group_commit import GroupCommit
from perdure.trades.orders.model import ANSWERED

LOOK_S: Final = 0.2
"""How often who waits looks by himself, as behind a pooler."""

Answer = TypeVar("Answer")


class Answers(Generic[Answer]):
    """Waits for answers.

    Args:
        find: Returns, of these ids, what became of those that are answered.
    """

    def __init__(self, find: Callable[[list[str]], Awaitable[Mapping[str, Answer]]]) -> None:
        self._find = find
        self._read: GroupCommit[str, Answer | None] = GroupCommit(self._find_each)
        self._waiting: defaultdict[str, dict[asyncio.Future[Answer], str]] = defaultdict(dict)
        self._looking: dict[str, asyncio.Task[None]] = {}

    async def wait(self, asked: str, asset: str, hear: Hear, within_s: float) -> Answer | None:
        """Return what became of what was asked of an asset's writer; None: nothing after a while.

        Args:
            asked: Its id.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[asset]
        waiting[answer] = asked
        if asset not in self._looking:
            # It looks for all, and is in the name of none.
            looking = asyncio.create_task(self._look(asset, hear), context=Context())
            self._looking[asset] = looking
        try:
            # Whoever hears from now on has not heard what was said before.
            if (found := await self._read.submit(asked)) is not None:
                return found
            await asyncio.wait([answer], timeout=within_s)
            return answer.result() if answer.done() else None
        finally:
            del waiting[answer]
            answer.cancel() or answer.exception()  # nobody asks for it any more

    async def _look(self, asset: str, hear: Hear) -> None:
        waiting = self._waiting[asset]
        try:
            with hear(ANSWERED, asset) as called:
                while waiting:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(called.wait(), LOOK_S)
                    called.clear()
                    found = await self._find([*{*waiting.values()}]) if waiting else {}
                    for answer, asked in waiting.items():
                        if asked in found and not answer.done():
                            answer.set_result(found[asked])
        except Exception as error:  # noqa: BLE001 - each who waits is told
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
        finally:
            del self._looking[asset]

    async def _find_each(self, asked: list[str]) -> list[Answer | None]:
        found = await self._find(asked)
        return [found.get(one) for one in asked]
