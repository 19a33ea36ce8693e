"""What each demo of trades shows: customers, their orders, and what is counted at the end."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from perdure.bootstrap import Platform
from perdure.capability.books import invariants, violations
from perdure.cli import verify
from perdure.cli.api_client import ApiClient, ApiError, part
from perdure.cli.machine import Machine, Report
from perdure.cli.output import out, print_error, print_table
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.ledger.verify import Violation
from perdure.outside import use_of
from perdure.trades import demo_figures as figures
from perdure.trades.demo_orders import ASSETS, DOOMED, Planned, Trader, plan_orders
from perdure.trades.possessions import read_services
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

SETTINGS: Final = {"PERDURE_ASSETS_TIMEOUT_S": "3", "PERDURE_WALLETS_TIMEOUT_S": "3"}
OPTIONS: Final = {"assets": ("--opening-lots", "0"), "wallets": ("--opening-minor", "0")}
"""Who has what is said by the demo."""

_TRADERS: Final = 12
_DEPOSIT_MINOR: Final = 50_000_000
_HOLDING_LOTS: Final = 10_000
_FEE_BASIS_POINTS: Final = 25
_AT_ONCE: Final = 24
_REASON: Final = "The demo."
_TOLD_EVERY_S: Final = 1.0
_POLL_S: Final = 0.2
_PATIENCE_S: Final = 300.0


@dataclass(slots=True)
class TradesResult:
    """What the demo shows.

    Args:
        lost: Orders that are neither refused nor stored, or that nothing becomes of.
        refused: Why each order was that came into no book, by its reference.
        by_status: How the stored ones stand, and why.
        before, after: How much there is of each asset and currency, by the services' own books.
        differences: Where those say otherwise than ours.
        reversed: Trades that were undone, by why.
    """

    orders: int
    refused: dict[str, str] = field(default_factory=dict)
    by_status: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: int = 0
    trades: Counter[str] = field(default_factory=Counter)
    reversed: Counter[str] = field(default_factory=Counter)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    kills: int = 0

    @property
    def parked(self) -> int:
        """How many trades wait for a person, or for what does not come."""
        return self.trades.total() - self.trades["succeeded"] - self.trades["failed"]

    @property
    def ok(self) -> bool:
        """Whether all has ended as it must, and what there was is still there, each with one."""
        return not (
            self.parked
            or self.lost
            or self.differences
            or self.violations
            or self.before != self.after
        )


class Show:
    """A story as it goes on: orders are handed in, and something goes wrong meanwhile."""

    @property
    def pace_s(self) -> float:
        """Between two orders at least."""
        return 0.0

    def __init__(
        self,
        machine: Machine,
        platform: Platform,
        open_client: Callable[[], ApiClient],
        tell: Report,
        result: TradesResult,
    ) -> None:
        self.machine = machine
        self.platform = platform
        self.open_client = open_client
        self.tell = tell
        self.result = result
        self._handed_in = 0
        self._next_at_s = 0.0

    async def interfere(self) -> None:
        """Have something go wrong, while the orders come in."""

    async def exchange(self, planned: Iterator[Planned]) -> None:
        """Have all orders be placed, and what they agree be done."""
        await self.hand_in(planned)

    async def run(self) -> None:
        """Tell it, and count."""
        result, pool = self.result, self.platform.pool
        traders, pauper = await self._seed()
        seeded = await read_services(self.platform.settings)
        result.before = seeded.sums()
        self.tell(f"{len(traders)} customers, {len(ASSETS)} assets, {result.orders:,} orders.")
        async with self._told():
            planned = plan_orders(result.orders, traders, pauper)
            await asyncio.gather(self.interfere(), self.exchange(planned))
            await self._until_over()
        self.tell(await self._progress())
        result.by_status = await figures.orders_by_status(pool)
        stored = await figures.references(pool)
        result.refused = {one: why for one, why in result.refused.items() if one not in stored}
        on_their_way = result.by_status["reserving", ""] + result.by_status["entering", ""]
        result.lost = result.orders - len(stored) - len(result.refused) + on_their_way
        result.trades = await figures.trades_by_status(pool)
        result.reversed = await figures.failures(pool)
        found = await read_services(self.platform.settings)
        result.after = found.sums()
        expected = await figures.expect(pool, self.platform.ledger, seeded)
        result.differences = figures.differences(found, expected)
        settings = self.platform.settings
        result.violations = await violations(
            pool,
            {role.name: {"": use_of(role, settings)} for role in (ASSETS_ROLE, WALLETS_ROLE)},
            balances=self.platform.balances,
        )

    async def _seed(self) -> tuple[list[Trader], Trader]:
        """Give the customers money, here and at the wallet service, and assets at theirs."""
        with closing(self.open_client()) as client:
            for asset, currency in ASSETS.items():
                body = {"currency": currency, "fee_basis_points": _FEE_BASIS_POINTS}
                await asyncio.to_thread(
                    client.put, f"/v1/instruments/{asset}", body | {"reason": _REASON}
                )
        opened = [await self._open(f"cus_demo_{number}") for number in range(_TRADERS)]
        for trader in opened:
            for currency, account in trader.accounts.items():
                await pay_in(self.platform, account, _DEPOSIT_MINOR, "demo")
                await self._control(
                    "wallets", f"wallets/{account}/{currency}", {"balance_minor": _DEPOSIT_MINOR}
                )
            for asset, currency in ASSETS.items():
                await self._control(
                    "assets",
                    f"holdings/{trader.accounts[currency]}/{asset}",
                    {"quantity_lots": _HOLDING_LOTS},
                )
        return opened, await self._open("cus_demo_pauper")

    async def _open(self, customer_id: str) -> Trader:
        accounts = {
            currency: (
                await open_customer_account(self.platform, customer_id, currency, "Demo wallet")
            ).id
            for currency in sorted({*ASSETS.values()})
        }
        return Trader(customer_id, accounts)

    async def hand_in(self, planned: Iterator[Planned]) -> None:
        """Place the orders, some at once; returns when all of them are in, or refused."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_AT_ONCE) as threads:

            async def some() -> None:
                with closing(self.open_client()) as client:
                    for one in planned:
                        await self._in_turn()
                        await loop.run_in_executor(threads, self._place, client, one)
                        self._handed_in += 1

            await asyncio.gather(*(some() for _ in range(_AT_ONCE)))

    async def _in_turn(self) -> None:
        if self.pace_s:
            now_s = time.monotonic()
            self._next_at_s = max(self._next_at_s, now_s) + self.pace_s
            await asyncio.sleep(self._next_at_s - now_s)

    def _place(self, client: ApiClient, planned: Planned) -> None:
        """Place an order, and cancel it if it is to be: too late is fine, as it races."""
        try:
            order = client.post("/v1/orders", planned.body_now())
        except ApiError as error:
            self.result.refused[planned.body["reference"]] = error.code
            return
        if planned.is_cancelled:
            try:
                client.post(f"/v1/orders/{part(order['id'])}/cancel", {"reason": _REASON})
            except ApiError as error:
                if error.code != "order_ended":
                    raise

    async def doom(self) -> None:
        """Have the asset service deliver one of the assets no more."""
        behaviour = {"fault": "refused", "methods": ["Deliver"]}
        await self._control("assets", f"behaviours/{DOOMED}", behaviour)
        self.tell(f"The asset service delivers no {DOOMED} from now on.")

    def kill(self, process: str, told: str) -> None:
        """Kill one of the machine's processes, at once."""
        pid = self.machine.supervisor.pids[process]
        self.tell(f"kill -9 {pid}: {process}, {told}")
        os.kill(pid, signal.SIGKILL)
        self.result.kills += 1

    async def until_in(self, share: float) -> None:
        """Wait until such a share of the orders is in."""
        while self._handed_in < self.result.orders * share:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    async def _until_over(self) -> None:
        began = time.monotonic()
        while not await figures.is_over(self.platform.pool):
            if time.monotonic() - began > _PATIENCE_S:
                return
            await asyncio.sleep(_POLL_S)

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Tell how it goes while the context is open."""

        async def tell() -> None:
            while True:
                await asyncio.sleep(_TOLD_EVERY_S)
                self.tell(await self._progress())

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _progress(self) -> str:
        found = await figures.trades_by_status(self.platform.pool)
        ended = found["succeeded"] + found["failed"]
        return (
            f"{self._handed_in:,} orders in; {found['succeeded']:,} trades done,"
            f" {found['failed']:,} reversed, {found.total() - ended:,} under way"
        )

    async def _control(self, role: str, path: str, body: dict[str, Any]) -> None:
        (url,) = self.machine.urls_of(role)
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.put(f"{url}/control/{path}", json=body)
        answer.raise_for_status()


def as_json(result: TradesResult, seconds: float) -> dict[str, Any]:
    """Return what was shown, for a program."""
    return {
        "orders": result.orders,
        "refused": dict(sorted(Counter(result.refused.values()).items())),
        "by_status": [
            {"status": status, "reason": reason or None, "orders": count}
            for (status, reason), count in sorted(result.by_status.items())
        ],
        "lost": result.lost,
        "trades": result.trades.total(),
        "traded": result.trades["succeeded"],
        "reversed": dict(sorted(result.reversed.items())),
        "parked": result.parked,
        "before": result.before,
        "after": result.after,
        "differences": result.differences,
        "kills": result.kills,
        "verify": verify.as_json(result.violations, _invariants()),
        "seconds": seconds,
    }


def print_result(result: TradesResult, seconds: float) -> None:
    """Print what was shown."""
    out.print()
    refused = Counter(("refused", code) for code in result.refused.values())
    orders = [*sorted(result.by_status.items()), *sorted(refused.items())]
    print_table(
        ("ORDERS", "WHY", "#COUNT"),
        [(status, why or None, count) for (status, why), count in orders],
    )
    out.print()
    print_table(
        ("TRADES", "WHY", "#COUNT"),
        [
            ("traded", None, result.trades["succeeded"]),
            *(("fully reversed", code, count) for code, count in sorted(result.reversed.items())),
            ("parked", None, result.parked),
        ],
    )
    out.print()
    print_table(
        ("AT THE SERVICES", "#BEFORE", "#AFTER"),
        [(what, amount, result.after.get(what, 0)) for what, amount in result.before.items()],
    )
    out.print(
        f"\n{result.orders} orders, {result.trades.total()} trades; {result.kills} killed;"
        f" {seconds} s in all.\n"
    )
    verify.print_violations(result.violations, _invariants())
    for line in result.differences:
        print_error(line)
    if result.parked or result.lost:
        print_error(f"{result.parked} trades are parked, and {result.lost} orders lost.")


def _invariants() -> list[str]:
    return invariants([ASSETS_ROLE.name, WALLETS_ROLE.name])
