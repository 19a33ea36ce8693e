"""`perdure demo trades --move`: the system before Perdure is left while orders flow.

Its flag goes from 0 to 100 percent, back, and to 100 again; Celery's worker is killed twice, and
ended for good once it is drained. No trade is lost, done twice or left standing.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from perdure.bootstrap import Platform
from perdure.cli.demo_stage import api_client_of
from perdure.cli.machine import Machine, Report
from perdure.cli.output import out, print_error, print_table
from perdure.core.clock import utc_now
from perdure.legacy import comparing, queue
from perdure.legacy.shadow import FOR_GOOD, MEANINGS, Difference
from perdure.trades import demo_figures as figures
from perdure.trades.demo_orders import Planned
from perdure.trades.demo_show import (
    OPTIONS,
    SETTINGS,
    Show,
    TradesResult,
    as_json,
    print_result,
)

_FLAG: Final = "trades-engine"
_WITHOUT_IT: Final = 0.85
"""What is placed after this share finds Celery gone."""
_RATE_PER_S: Final = 40.0
_ORDERS_LAST_S: Final = 30.0
"""At least: a change of the flag holds in each process long before the next."""
_REACHES_ALL_S: Final = 2.0
_RUNNING_AT_KILL: Final = 2
_WORKER: Final = "legacy-trades-worker"
_REASON: Final = "The demo."
_POLL_S: Final = 0.01
_BUSY_WITHIN_S: Final = 20.0
_DRAINED_WITHIN_S: Final = 180.0


@dataclass
class MoveResult(TradesResult):
    """What the demo shows.

    Args:
        by_engine: How many trades each system has carried out.
        again: Those of which the old system tried something again, mostly as its worker died at it.
        missing: Trades that a fill made, and that are none.
        doubled: Blocks and transfers that are there twice for one trade.
        left: What the old system still held when it was to be ended.
        compared: What it carried out, compared with what Perdure would have done of it: by why both
            differ, None where they do not.
    """

    by_engine: Counter[str] = field(default_factory=Counter)
    again: int = 0
    missing: int = 0
    doubled: int = 0
    left: int = 0
    compared: Counter[Difference | None] = field(default_factory=Counter)

    @property
    def differ(self) -> int:
        """How many Perdure would have carried out otherwise, and ought not to."""
        return sum(n for why, n in self.compared.items() if why and why not in FOR_GOOD)

    @property
    def ok(self) -> bool:
        """Whether all has ended as it must, once, and the old system is empty."""
        return super().ok and not (self.missing or self.doubled or self.left or self.differ)


class _Moving(Show):
    result: MoveResult

    @property
    def pace_s(self) -> float:
        """Between two orders at least."""
        return max(1 / _RATE_PER_S, _ORDERS_LAST_S / self.result.orders)

    async def interfere(self) -> None:
        """Move the flag, and kill the old system's worker each time it is in charge."""
        await self._begin_phase(0.0, 0)
        await self.doom()
        await self._begin_phase(0.2, 100)
        await self._begin_phase(0.4, 0)
        await self._begin_phase(0.6, 100)
        await asyncio.sleep(_REACHES_ALL_S)
        self._is_moved.set()

    async def exchange(self, planned: Iterator[Planned]) -> None:
        """Place the orders at an even rate; the last ones once the old system is ended."""
        await self.hand_in(islice(planned, int(self.result.orders * _WITHOUT_IT)))
        await self._is_moved.wait()
        await self._until_drained()
        self.result.left = await self._held()
        await self._end_it()
        await self.hand_in(planned)

    async def run(self) -> None:
        """Tell it, and count."""
        self._began_at, self._is_moved = utc_now(), asyncio.Event()
        await super().run()
        result, pool = self.result, self.platform.pool
        result.by_engine = await figures.trades_by_engine(pool)
        result.again = await figures.tried_again(pool)
        result.missing = await figures.missing_trades(pool)
        result.doubled = await figures.doubled_calls(self.platform.settings)
        await comparing.compare_ended(pool)  # what the janitor has not yet
        for one in await comparing.compared_since(pool, self._began_at):
            result.compared[one.difference] += one.count

    async def _begin_phase(self, share: float, percent: int) -> None:
        """Have the flag give Perdure so much, once such a share of the orders is in."""
        await self.until_in(share)
        await self._set_flag(percent)
        if percent == 0:
            await asyncio.sleep(_REACHES_ALL_S)
            await self._until_it_is_busy()
            self.kill(_WORKER, "with trades in its hands")

    async def _set_flag(self, percent: int) -> None:
        def put() -> None:
            with closing(self.open_client()) as client:
                flag = client.get(f"/v1/flags/{_FLAG}")
                body = {name: flag[name] for name in ("variants", "version")}
                rules = [{"variant": "perdure", "percent": percent}]
                client.put(
                    f"/v1/flags/{_FLAG}",
                    body | {"default_variant": "legacy", "rules": rules, "reason": _REASON},
                )

        await asyncio.to_thread(put)
        self.tell(f"The flag: {percent}% of new trades are Perdure's, the others Celery's.")

    async def _until_it_is_busy(self) -> None:
        statement = "SELECT count(*) FROM legacy_operations WHERE state = 'running'"
        began = time.monotonic()
        while await self.platform.pool.fetchval(statement) < _RUNNING_AT_KILL:
            if time.monotonic() - began > _BUSY_WITHIN_S:
                return
            await asyncio.sleep(_POLL_S)

    async def _until_drained(self) -> None:
        began = time.monotonic()
        while await self._held() and time.monotonic() - began < _DRAINED_WITHIN_S:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    async def _held(self) -> int:
        found = await queue.backlogs(self.platform.pool)
        return sum(one.queued + one.running for one in found)

    async def _end_it(self) -> None:
        """End Celery, and Redis after it; nobody starts them again."""
        for prefix in ("legacy-", "redis"):
            ended = [name for name in self._pids() if name.startswith(prefix)]
            for name in ended:
                os.kill(self._pids()[name], signal.SIGTERM)
            while self._pids().keys() & {*ended}:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        self.tell("The old system is drained, and ended: beat, workers, Redis.")

    def _pids(self) -> dict[str, int]:
        return self.machine.supervisor.pids


@dataclass(frozen=True, slots=True)
class MoveStory:
    """Orders of several customers, while the system before Perdure is left.

    Args:
        orders: How many.
    """

    orders: int
    # A runner that is killed is taken to be dead soon.
    settings = SETTINGS | {"PERDURE_LEGACY_RUN_S": "20"}
    options = OPTIONS
    legacy = True

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> MoveResult:
        """Have all be matched and exchanged, by either system."""
        open_client, result = await api_client_of(machine, platform), MoveResult(self.orders)
        await _Moving(machine, platform, open_client, tell, result).run()
        return result

    def as_json(self, result: MoveResult, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        return as_json(result, seconds) | {
            "by_engine": dict(sorted(result.by_engine.items())),
            "again": result.again,
            "missing": result.missing,
            "doubled": result.doubled,
            "left": result.left,
            "shadow": {
                "compared": result.compared.total(),
                "equal": result.compared[None],
                "differences": {str(why): n for why, n in result.compared.items() if why},
            },
        }

    def print(self, result: MoveResult, seconds: float) -> None:
        """Print what it showed."""
        print_result(result, seconds)
        out.print()
        print_table(
            ("CARRIED OUT BY", "#TRADES"),
            [("Perdure", result.by_engine["perdure"]), ("Celery", result.by_engine["legacy"])],
        )
        out.print(
            f"\n{result.again} of Celery's were tried again;"
            f" {result.missing} trades missing, {result.doubled} calls made twice,"
            f" {result.left} left with Celery when it was ended.\n"
            f"{result.compared.total()} of Celery's compared with what Perdure would have done,"
            f" {result.compared[None]} equal."
        )
        for why, count in result.compared.items():
            if why:
                out.print(f"{count} {why}: {MEANINGS[why]}")
        if result.missing or result.doubled or result.left or result.differ:
            print_error("The move did not come out as it must.")
