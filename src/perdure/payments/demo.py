"""`perdure demo`: a file of every kind of payment, a kill in the middle of it, and the proof."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.capability.books import invariants, violations
from perdure.cli import verify
from perdure.cli.demo_stage import DEMO_DIR, DataDir, api_client_of, run_story
from perdure.cli.machine import Machine, Report
from perdure.cli.output import Output, OutputFormat, out, print_error, print_table
from perdure.cli.ports import PortBase
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.ledger.verify import Violation
from perdure.payments.commands import report_path
from perdure.payments.contracts import KIND, PaymentRequest
from perdure.payments.demo_file import (
    CANCELLED_PREFIX,
    PLAIN,
    ExpectedRow,
    Wallet,
    read_report,
    unexpected,
    write_demo_file,
)
from perdure.payments.importing import PATIENCE_S, import_payments
from perdure.storage.pool import Pool

_SETTINGS: Final = {
    # Long enough to cancel what waits, short enough to watch.
    "PERDURE_PAYMENT_CALLBACK_TIMEOUT_S": "10",
    "PERDURE_GATEWAY_TIMEOUT_S": "3",
}
_OPTIONS: Final = {"gateway": ("--slow-s", "1", "--late-callback-s", "15")}
_WALLETS: Final = 5
_DEPOSIT_MINOR: Final = 100_000_000
_KILLED: Final = "worker-lanes"
"""It carries the file; what has to wait or to be undone is with the others."""
_KILL_AT: Final = 0.3
"""How much of the file is finished when a worker is killed."""
_POLL_S: Final = 0.2
_PAYS_EVERY_S: Final = 3.0
_TOLD_EVERY_S: Final = 1.0


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


@dataclass(frozen=True, slots=True)
class PaymentsStory:
    """A file of payments.

    Args:
        payments: How many it has.
    """

    payments: int
    settings = _SETTINGS
    options = _OPTIONS
    legacy = False

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> DemoResult:
        """Import the file, kill a worker meanwhile, and check the end."""
        return await _show(machine, platform, self.payments, tell)

    def as_json(self, result: DemoResult, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        return _as_json(result, seconds)

    def print(self, result: DemoResult, seconds: float) -> None:
        """Print what it showed."""
        _print(result, seconds)


async def _show(machine: Machine, platform: Platform, payments: int, tell: Report) -> DemoResult:
    file = machine.folder.path / "payments.csv"
    wallets = [await _open_wallet(platform, number, _DEPOSIT_MINOR) for number in range(_WALLETS)]
    poor = await _open_wallet(platform, _WALLETS, 100)
    result = DemoResult(payments, write_demo_file(file, payments, wallets, poor))
    tell(f"Importing {len(result.expected)} rows:")
    tell(f"perdure payments import {file}")
    open_client = await api_client_of(machine, platform, patience_s=PATIENCE_S)
    began = time.monotonic()
    async with (
        _beside(_cancel_some(platform)),
        _beside(_kill_a_worker(machine, platform, result, tell)),
        _beside(_go_on_paying(platform, wallets[0])),
    ):
        await import_payments(open_client, file, report_path(file), logged_every_s=_TOLD_EVERY_S)
    result.import_s = round(time.monotonic() - began, 1)
    report = read_report(report_path(file))
    result.by_outcome.update((found.status, found.failure_code) for found in report.values())
    result.unexpected = unexpected(result.expected, report)
    result.violations = await violations(
        platform.pool, {"gateway": machine.books["gateway"]}, balances=platform.balances
    )
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
    """Cancel the payments whose references ask for it, while they are in flight."""
    while True:
        for payment_id in await charged_to_cancel(platform.pool):
            await platform.operations.cancel(
                payment_id, actor="demo", reason="The demo cancels some."
            )
        await asyncio.sleep(_POLL_S)


async def _go_on_paying(platform: Platform, wallet: Wallet) -> None:
    """Make a plain payment now and then, as somebody always does.

    A gateway that lets nobody through is away for all, and waited for: that it is down for some of
    the file is only seen beside others.
    """
    request = PaymentRequest(
        customer_id=wallet.customer_id,
        account_id=wallet.account_id,
        amount_minor=100,
        currency=wallet.currency,
        payment_method=PLAIN.payment_method,
    )
    lane = platform.kinds.lane_in(None, KIND, request)
    while True:
        async with platform.operations.transaction() as connection:
            payment = await platform.kinds.acceptance(KIND).accept(
                connection, request, actor="demo", lane=lane
            )
        await platform.operations.begin(payment)
        await asyncio.sleep(_PAYS_EVERY_S)


async def charged_to_cancel(pool: Pool) -> list[str]:
    """Return the payments to cancel of which the gateway may have the money.

    Not only those that wait for its confirmation: one whose worker is killed in the middle of the
    call is found settled when another asks the gateway, and has waited for nothing.
    """
    rows = await pool.fetch(
        "SELECT id FROM operations o WHERE kind = $1 AND starts_with(reference, $2)"
        " AND finished_at IS NULL AND cancel_request IS NULL AND EXISTS"
        " (SELECT FROM provider_calls WHERE operation_id = o.id AND step = 'charge')",
        KIND,
        CANCELLED_PREFIX,
    )
    return [row["id"] for row in rows]


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
        "verify": verify.as_json(result.violations, invariants(["gateway"])),
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
    verify.print_violations(result.violations, invariants(["gateway"]))
    for line in result.unexpected:
        print_error(line)


def payments(
    payments: Annotated[int, typer.Option(min=30, help="How many the file has.")] = 500,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run everything, import a file of every kind of payment, kill a worker, and check the end."""
    run_story(PaymentsStory(payments), data_dir, output, port_base)
