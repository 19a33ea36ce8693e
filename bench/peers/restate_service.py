"""The service of the Restate peer: an ASGI application that hypercorn serves."""

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import restate

from bench.books import open_steps
from bench.steps import Payment, Steps


class _Opened:
    """The steps of this process, opened by its first saga and for as long as it runs."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._steps: Steps | None = None

    async def steps(self) -> Steps:
        async with self._lock:
            if self._steps is not None:
                return self._steps
            opening = open_steps(os.environ["BENCH_DATABASE_URL"], os.environ["BENCH_PROVIDER_URL"])
            _, steps = await self._stack.enter_async_context(opening)
            self._steps = steps
            return steps


_opened = _Opened()
saga = restate.Service("Saga")


@saga.handler()
async def pay(ctx: restate.Context, given: dict[str, Any]) -> str:
    """Carry a payment out; each step's result is in the journal before the next begins."""
    payment, steps = Payment(**given), await _opened.steps()
    await ctx.run_typed("validate", steps.validate, restate.RunOptions(), payment)
    await ctx.run_typed("hold", steps.hold, restate.RunOptions(), payment)
    payout_id = await ctx.run_typed("pay_out", steps.pay_out, restate.RunOptions(), payment)
    await ctx.run_typed("settle", steps.settle, restate.RunOptions(), payment, payout_id)
    await ctx.run_typed("notify", steps.notify, restate.RunOptions(), payment)
    return payout_id


app = restate.app([saga])
