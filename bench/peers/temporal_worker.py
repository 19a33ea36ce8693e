"""A worker process of the Temporal peer, with the worker's default settings."""

import asyncio
import os
import sys
from pathlib import Path

import uvloop
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from bench.books import open_steps
from bench.peers.temporal_saga import TASK_QUEUE, MoneyTransfer
from bench.peers.worker_processes import until_terminated
from bench.steps import Payment, Steps


class Activities:
    """The steps, as activities."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    @activity.defn
    async def validate(self, payment: Payment) -> None:
        """Check that the account can pay."""
        await self._steps.validate(payment)

    @activity.defn
    async def hold(self, payment: Payment) -> None:
        """Set the money aside."""
        await self._steps.hold(payment)

    @activity.defn
    async def pay_out(self, payment: Payment) -> str:
        """Have the provider pay."""
        return await self._steps.pay_out(payment)

    @activity.defn
    async def settle(self, payment: Payment, payout_id: str) -> None:
        """Post what was set aside."""
        await self._steps.settle(payment, payout_id)

    @activity.defn
    async def notify(self, payment: Payment) -> None:
        """Tell the payer."""
        await self._steps.notify(payment)


async def main() -> None:
    """Work until SIGTERM."""
    address, mark = sys.argv[1:]
    client = await Client.connect(address)
    async with open_steps(os.environ["BENCH_DATABASE_URL"], os.environ["BENCH_PROVIDER_URL"]) as (
        _,
        steps,
    ):
        activities = Activities(steps)
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[MoneyTransfer],
            activities=[
                activities.validate,
                activities.hold,
                activities.pay_out,
                activities.settle,
                activities.notify,
            ],
        ):
            await asyncio.to_thread(Path(mark).touch)
            await until_terminated()


if __name__ == "__main__":
    uvloop.run(main())
