"""`perdure demo`: the whole platform, a file of every kind of payment, a kill, and the proof."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.cli import verify
from perdure.cli.demo_file import (
    CANCELLED_PREFIX,
    ExpectedRow,
    Wallet,
    read_report,
    unexpected,
    write_demo_file,
)
from perdure.cli.environment import DATA_DIR_DEFAULT, DataFolder
from perdure.cli.ledger import open_customer_account, pay_in
from perdure.cli.machine import Machine, Report, run_machine
from perdure.cli.output import Output, OutputFormat, err, out, print_error, print_json, print_table
from perdure.cli.payments_import import import_payments, report_path
from perdure.cli.session import open_session, run
from perdure.cli.up import greet, say, see_workers
from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock
from perdure.ledger.verify import Violation
from perdure.operations.model import Status
from perdure.payments.contracts import KIND

DEMO_DIR: Final = DATA_DIR_DEFAULT / "demo"
_MARK: Final = "this-is-a-demo"
"""A file in the folders that a demo may empty."""

_SETTINGS: Final = {
    # Long enough to cancel what waits, short enough to watch.
    "PERDURE_PAYMENT_CALLBACK_TIMEOUT_S": "10",
    "PERDURE_GATEWAY_TIMEOUT_S": "3",
}
_GATEWAY_OPTIONS: Final = ("--slow-s", "1", "--late-callback-s", "15")
_WALLETS: Final = 5
_DEPOSIT_MINOR: Final = 100_000_000
_KILLED: Final = "worker-lanes"
"""It carries the file; what has to wait or to be undone is with the others."""
_KILL_AT: Final = 0.3
"""How much of the file is finished when a worker is killed."""
_POLL_S: Final = 0.2


@dataclass(slots=True)
class DemoResult:
    """What the demo shows."""

    payments: int
    expected: list[ExpectedRow]
    by_outcome: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    kills: int = 0
    import_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every row came to what it must, and no invariant is broken."""
        return not self.unexpected and not self.violations

    @property
    def rows(self) -> int:
        """How many rows were reported."""
        return self.by_outcome.total()


def demo(
    payments: Annotated[int, typer.Option(min=30, help="How many the file has.")] = 500,
    data_dir: Annotated[Path, typer.Option(help="Keeps everything; emptied first.")] = DEMO_DIR,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run everything, import a file of every kind of payment, kill a worker, and check the end."""
    began = time.monotonic()
    folder = DataFolder(data_dir)
    result = run(_demo(folder, payments, output, began))
    if result is None:
        raise typer.Exit(130)
    if not result.ok:
        raise typer.Exit(1)


async def _demo(
    folder: DataFolder, payments: int, output: OutputFormat, began: float
) -> DemoResult | None:
    tell = say if output == OutputFormat.TEXT else _say_aside
    _empty(folder)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    tell(f"Starting everything on {folder.path}; the logs are in {folder.logs_path}.")
    async with (
        run_machine(folder, workers=2, gateway_options=_GATEWAY_OPTIONS, report=tell) as machine,
        open_session() as platform,
    ):
        result = await _unless_stopped(machine, lambda: _show(machine, platform, payments, tell))
        if result is None:
            return None
        seconds = round(time.monotonic() - began, 1)
        if output == OutputFormat.JSON:
            print_json(_as_json(result, seconds))
        else:
            _print(result, seconds)
            await greet(machine, platform)
        if sys.stdin.isatty() and output == OutputFormat.TEXT:
            tell("\nStill running, to look around; Ctrl-C ends it.")
            await machine.supervisor.run_until_signalled()
    tell(f"\nEnded. `perdure up --data-dir {folder.path}` goes on with the same data.")
    return result


def _say_aside(message: str) -> None:
    err.print(message, markup=False)


def _empty(folder: DataFolder) -> None:
    """Empty the folder, if it is a demo's.

    Raises:
        ConfigurationError: It holds something else, or a demo runs on it.
    """
    path, mark = folder.path, folder.path / _MARK
    if path.exists() and any(path.iterdir()):
        if not mark.exists():
            raise ConfigurationError(
                f"{path} holds something else than a demo; give another --data-dir.",
                param="data_dir",
            )
        lock = FileLock(path / "supervisor.lock")
        if not lock.acquire(wait=False):
            raise ConfigurationError(
                f"Perdure runs on {path}. End it first, or give another --data-dir.",
                param="data_dir",
            )
        shutil.rmtree(path)
        lock.release()
    path.mkdir(parents=True, exist_ok=True)
    mark.touch()


async def _unless_stopped(
    machine: Machine, work: Callable[[], Awaitable[DemoResult]]
) -> DemoResult | None:
    """Do the work; None where somebody ends the demo before it is done."""
    if machine.supervisor.stop_requested:
        return None
    working = asyncio.ensure_future(work())
    stopped = asyncio.ensure_future(machine.supervisor.run_until_signalled())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        stopped.cancel()
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


async def _show(machine: Machine, platform: Platform, payments: int, tell: Report) -> DemoResult:
    await see_workers(machine, platform)
    file = machine.folder.path / "payments.csv"
    wallets = [await _open_wallet(platform, number, _DEPOSIT_MINOR) for number in range(_WALLETS)]
    poor = await _open_wallet(platform, _WALLETS, 100)
    result = DemoResult(payments, write_demo_file(file, payments, wallets, poor))
    tell(f"Importing {len(result.expected)} rows: perdure payments import {file}")
    began = time.monotonic()
    async with (
        _beside(_cancel_some(platform)),
        _beside(_kill_a_worker(machine, platform, result, tell)),
    ):
        await import_payments(platform, file, report_path(file))
    result.import_s = round(time.monotonic() - began, 1)
    report = read_report(report_path(file))
    result.by_outcome.update((found.status, found.failure_code) for found in report.values())
    result.unexpected = unexpected(result.expected, report)
    result.violations = await verify.violations(platform, machine.gateway_url)
    return result


async def _open_wallet(platform: Platform, number: int, deposit_minor: int) -> Wallet:
    customer_id = f"cus_demo_{number}"
    account = await open_customer_account(platform, customer_id, "USD", "Demo wallet")
    await pay_in(platform, account.id, deposit_minor, "demo")
    return Wallet(customer_id, account.id)


@asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    """Do something while the context is open."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _cancel_some(platform: Platform) -> None:
    """Cancel the payments whose references ask for it, once they wait for the gateway."""
    while True:
        waiting = await platform.operations.find(kind=KIND, status=Status.WAITING, limit=1000)
        for payment in waiting:
            if (payment.reference or "").startswith(CANCELLED_PREFIX):
                await platform.operations.cancel(
                    payment.id, actor="demo", reason="The demo cancels some."
                )
        await asyncio.sleep(_POLL_S)


async def _kill_a_worker(
    machine: Machine, platform: Platform, result: DemoResult, tell: Report
) -> None:
    """Kill a worker in the middle of it all."""
    sql = "SELECT count(*) FROM operations WHERE finished_at IS NOT NULL"
    finished = 0
    while finished < result.payments * _KILL_AT:
        await asyncio.sleep(_POLL_S)
        finished = await platform.pool.fetchval(sql)
    pid = machine.supervisor.pids[_KILLED]
    tell(f"kill -9 {pid}: {_KILLED}, with payments under way")
    os.kill(pid, signal.SIGKILL)
    result.kills += 1


def _as_json(result: DemoResult, seconds: float) -> dict[str, Any]:
    by_status: Counter[str] = Counter()
    for (status, _), count in result.by_outcome.items():
        by_status[status] += count
    return {
        "payments": result.payments,
        "rows": result.rows,
        "by_status": dict(sorted(by_status.items())),
        "by_outcome": [
            {"status": status, "failure_code": code, "rows": count}
            for (status, code), count in _sorted(result)
        ],
        "unexpected": result.unexpected,
        "kills": result.kills,
        "verify": verify.as_json(result.violations, verify.invariants(with_gateway=True)),
        "import_seconds": result.import_s,
        "seconds": seconds,
    }


def _sorted(result: DemoResult) -> list[tuple[tuple[str, str | None], int]]:
    return sorted(result.by_outcome.items(), key=lambda item: (item[0][0], item[0][1] or ""))


def _print(result: DemoResult, seconds: float) -> None:
    out.print()
    rows = [(status, code, count) for (status, code), count in _sorted(result)]
    print_table(("OUTCOME", "FAILURE", "#ROWS"), [*rows, ("all", None, result.rows)])
    out.print(
        f"\n{len(result.expected)} rows in the file, {result.rows} in the report;"
        f" {result.import_s} s for the import, {seconds} s in all; {result.kills} worker killed.\n"
    )
    verify.print_violations(result.violations, verify.invariants(with_gateway=True))
    for line in result.unexpected:
        print_error(line)
