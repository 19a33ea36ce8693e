"""`python -m bench killed`: transfers at a steady rate while an operations worker is killed.

`perdure up` with two operations workers; in the middle of each round one of them is ended by
`kill -9`. What is told is how long each transfer took, from its acceptance to its end.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

from perdure.bootstrap import Platform
from perdure.cli.environment import DataFolder
from perdure.cli.machine import Machine, run_machine
from perdure.cli.session import open_session
from perdure.cli.up import until_it_works
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.core.gears import AskedGear
from perdure.core.ids import new_id
from perdure.testing.polls import eventually
from perdure.transfers.contracts import TransferRequest

_CUSTOMERS: Final = 10
"""Of one alone that many would be a flood."""
_WORKER: Final = "worker-operations-{}"


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench killed", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="Transfers a second.")
    parser.add_argument("--seconds", type=float, default=8.0, help="How long a round takes.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gear", type=AskedGear, default=AskedGear.AUTO)
    parser.add_argument("--no-kill", action="store_true", help="Kill none, to compare.")
    try:
        asyncio.run(_measure(parser.parse_args(arguments)))
    except asyncio.CancelledError:
        return 130
    return 0


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


async def _measure(options: argparse.Namespace) -> None:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with tempfile.TemporaryDirectory(prefix="perdure-killed-") as folder:
        async with (
            run_machine(DataFolder(Path(folder)), workers=2, report=_say) as machine,
            open_session() as platform,
        ):
            await until_it_works(machine, platform, _say)
            requests = [await _request(platform) for _ in range(_CUSTOMERS)]
            await _round(machine, platform, requests, options, seconds=2, kills=None)
            for number in range(options.rounds):
                kills = None if options.no_kill else number % 2 + 1
                took_s = await _round(
                    machine, platform, requests, options, seconds=options.seconds, kills=kills
                )
                _say(_told(took_s))


async def _request(platform: Platform) -> TransferRequest:
    customer_id = new_id("cus")
    account = await open_customer_account(platform, customer_id, "USD", "Killed")
    await pay_in(platform, account.id, 100_000_000, account.id)
    return TransferRequest(customer_id, account.id, 100, "USD", "dest_ok")


async def _round(
    machine: Machine,
    platform: Platform,
    requests: list[TransferRequest],
    options: argparse.Namespace,
    *,
    seconds: float,
    kills: int | None,
) -> list[float]:
    """Have transfers accepted one after the other; returns how long each took, in seconds."""
    began_s, count = time.monotonic(), round(options.rate * seconds)
    accepting: list[asyncio.Task[str]] = []
    for number in range(count):
        await asyncio.sleep(max(began_s + number / options.rate - time.monotonic(), 0))
        request = requests[number % len(requests)]
        accepting.append(asyncio.create_task(_accept(platform, request, options.gear)))
        if kills and number == count // 2:
            os.kill(machine.supervisor.pids[_WORKER.format(kills)], signal.SIGKILL)
    found = await asyncio.gather(*accepting)

    async def took_s() -> list[float] | None:
        rows = await platform.pool.fetch(
            "SELECT extract(epoch FROM finished_at - created_at)::float8 AS took_s"
            " FROM operations WHERE id = ANY($1)",
            found,
        )
        took = [row["took_s"] for row in rows]
        return None if None in took else took

    return await eventually(took_s, pause_s=0.2)


async def _accept(platform: Platform, request: TransferRequest, gear: AskedGear) -> str:
    lane = platform.kinds.lane_in(gear, "transfer", request)
    async with platform.operations.transaction() as connection:
        operation = await platform.kinds.acceptance("transfer").accept(
            connection, request, actor="bench", lane=lane
        )
    await platform.operations.begin(operation)
    return operation.id


def _told(took_s: list[float]) -> str:
    cuts = quantiles(took_s, n=100)
    over = {limit: sum(one > limit for one in took_s) for limit in (1, 2)}
    return (
        f"{len(took_s)} transfers: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms,"
        f" longest {max(took_s):.2f} s; over 1 s: {over[1]}, over 2 s: {over[2]}"
    )
