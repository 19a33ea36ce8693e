"""The process that writes books: those that nobody else writes, until it is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from perdure.core.events import first_of
from perdure.core.ids import new_id
from perdure.core.telemetry import telemetry
from perdure.operations.lanes.calls import Hear, LaneCalls
from perdure.operations.model import Operation
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool
from perdure.trades.orders import store
from perdure.trades.orders.model import ANSWERED, CALLED, LISTED, now_ms
from perdure.trades.orders.writer import AssetWriter

log = structlog.get_logger()

LOOK_S: Final = 0.25
"""How often a writer that nobody calls looks by itself, as behind a pooler."""
ROUND_S: Final = 1.0
"""How often it says that it lives, and looks for what nobody writes and what is owed."""
_AGAIN_S: Final = 0.5

Begin = Callable[[Operation], Awaitable[None]]


class Matcher:
    """Writes books.

    Args:
        writer_of: Makes the writer of an asset, given its own name.
        begin: Has a trade be carried out; one that is lost here the janitor finds.
    """

    def __init__(
        self,
        pool: Pool,
        writer_of: Callable[[str, str], AssetWriter],
        hear: Hear,
        begin: Begin,
    ) -> None:
        self._pool = pool
        self._writer_of = writer_of
        self._hear = hear
        self._begin = begin
        self._calls = LaneCalls(pool)
        self._name = new_id("prc")
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._beginning: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop; then leave the books to others."""
        try:
            with self._hear(CALLED, LISTED) as called:
                while not stop.is_set():
                    called.clear()
                    await self._tried(self._look)
                    await first_of(stop, called, timeout_s=ROUND_S)
        finally:
            tasks = list(self._writing.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._beginning, return_exceptions=True)
            await self._tried(lambda: store.leave(self._pool, list(self._writing), self._name))

    async def _look(self) -> None:
        for asset in await store.assets_to_write(self._pool, self._name):
            if asset not in self._writing or self._writing[asset].done():
                self._writing[asset] = asyncio.create_task(self._write(asset))

    async def _write(self, asset: str) -> None:
        writer = self._writer_of(asset, self._name)
        if not await store.take(self._pool, asset, self._name):
            return
        log.info("book_taken", asset=asset)
        kept_at = asyncio.get_running_loop().time()
        with self._hear(CALLED, asset) as called:
            while True:
                called.clear()
                trades: list[Operation] | None = None
                try:
                    trades = await writer.write()
                    if trades is None and asyncio.get_running_loop().time() - kept_at > ROUND_S:
                        kept_at = asyncio.get_running_loop().time()
                        if not await writer.keep():
                            return
                except store.LostBook:
                    log.warning("book_lost", asset=asset)
                    return
                except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                    _tell(error, asset)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if trades is not None:
                    await self._calls.call(ANSWERED, asset)
                    self._begin_all(trades)
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(called.wait(), _wait_s(writer.next_expiry_ms))

    def _begin_all(self, trades: list[Operation]) -> None:
        if trades:
            beginning = asyncio.create_task(self._begin_each(trades))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)

    async def _begin_each(self, trades: list[Operation]) -> None:
        for outcome in await asyncio.gather(*map(self._begin, trades), return_exceptions=True):
            if isinstance(outcome, Exception):
                _tell(outcome, "trades")

    async def _tried(self, act: Callable[[], Awaitable[int | None]]) -> int | None:
        try:
            return await act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            _tell(error, "matcher")
            return None


def _wait_s(expiry_ms: int | None) -> float:
    if expiry_ms is None:
        return LOOK_S
    return min(max((expiry_ms - now_ms()) / 1000, 0.001), LOOK_S)


def _tell(error: Exception, what: str) -> None:
    log.warning("matcher_goes_on", what=what, error=repr(error))
    if not is_outage(error):
        telemetry().report(error, "matcher")
