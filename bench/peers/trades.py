"""Trades, as the asset's writer hands them over: Perdure's way, in its gears.

Both ways of a trade call the same simulated services, and are checked the same way at the end: each
trade settled, each service's books conserved, both in agreement with ours.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from temporalio.client import Client

from bench.books import differences, open_http
from bench.peers.peer import Running, Site
from bench.peers.perdure import open_wallets, workers
from bench.peers.temporal_engine import dev_server
from bench.peers.worker_processes import python_module, started_together, supervised
from bench.ports import free_port
from bench.saga import CURRENCY, Saga
from bench.trades import (
    ASSETS,
    RESERVED_LOTS,
    asset_name,
    sell_order_id,
    seller_of,
    trade_of,
)
from perdure.bootstrap import Platform, compose
from perdure.capability.books import violations
from perdure.config import Settings
from perdure.core.gears import AskedGear
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor
from perdure.flags.routing import EngineVariant
from perdure.operations.model import Operation
from perdure.outside import open_outside, use_of
from perdure.schema import migrate
from perdure.storage.pool import open_pool
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.capability import TRADES
from perdure.trades.contracts import KIND
from perdure.trades.possessions import read_services
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

_FINISHED: Final = """
SELECT id, extract(epoch FROM finished_at)::float8 AS finished_at_s
FROM operations WHERE id = ANY ($1::text[]) AND finished_at IS NOT NULL
"""
_OPENING_LOTS: Final = RESERVED_LOTS


@dataclass(frozen=True, slots=True)
class Services:
    """The asset and the wallet service.

    Args:
        urls: Where each answers over gRPC, by its role.
        controls: Where each tells its totals.
    """

    urls: Mapping[str, str]
    controls: Mapping[str, str]
    processes: list[ProcessSpec]

    @property
    def environment(self) -> dict[str, str]:
        """How a worker process finds them."""
        return {f"PERDURE_{role.upper()}_URL": url for role, url in self.urls.items()}

    def settings(self, site: Site) -> Settings:
        """Return how this process finds them, and the database."""
        given = {f"{role}_url": url for role, url in self.urls.items()}
        return Settings.model_validate({"DATABASE_URL": site.database_url, **given})

    async def totals(self) -> dict[str, int]:
        """Return what each did, by its own count."""
        found = {}
        for role, url in self.controls.items():
            async with open_http(url) as http, http.get("/v1/totals") as answer:
                found[role] = await answer.json()
        blocks, moved = found["assets"]["blocks"], found["wallets"]
        return {
            "blocks": blocks["count"],
            "delivered": blocks["delivered"],
            "transfers": moved["transfers"],
            "reversed": moved["reversed"],
            "moved_minor": moved["moved_minor"].get(CURRENCY, 0),
            **found["assets"]["issued_lots"],
            **found["wallets"]["issued_minor"],
        }


@dataclass(slots=True)
class RunningTrades:
    """Takes trades in, as the asset's writer does; workers carry them out."""

    platform: Platform
    account_ids: list[str]
    supervisor: Supervisor
    services: Services
    gear: AskedGear

    @property
    def processes(self) -> Mapping[str, int]:
        """Its processes' ids."""
        return self.supervisor.pids

    async def submit(self, saga: Saga) -> str:
        """Take a trade in by itself, and have it begin."""
        (operation,) = await self.accept([saga])
        await self.platform.operations.begin(operation)
        return operation.id

    async def accept(self, sagas: list[Saga]) -> list[Operation]:
        """Take trades in, in one commit."""
        kinds = self.platform.kinds
        requests = [trade_of(saga, self.account_ids) for saga in sagas]
        lanes = [kinds.lane_in(self.gear, KIND, request) for request in requests]
        async with self.platform.operations.transaction() as connection:
            return await kinds.own(TradeAcceptance).accept_trades(connection, requests, lanes=lanes)

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which trades have ended, and when."""
        rows = await self.platform.pool.fetch(_FINISHED, operation_ids)
        return {row["id"]: row["finished_at_s"] for row in rows}

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:  # noqa: ARG002
        """Check all that `perdure verify` checks, with both services' books, and the totals."""
        platform = self.platform
        compared = {
            role.name: {"": use_of(role, platform.settings)} for role in (ASSETS_ROLE, WALLETS_ROLE)
        }
        broken = await violations(platform.pool, compared)
        rows = await platform.pool.fetch("SELECT status, count(*) FROM operations GROUP BY 1")
        owned = (await read_services(platform.settings)).sums()
        found = await self.services.totals() | Counter(dict(map(tuple, rows)))
        expected = {
            "succeeded": len(done),
            "blocks": len(done),
            "delivered": len(done),
            "transfers": len(done),
            "reversed": 0,
            "moved_minor": sum(trade_of(saga, self.account_ids).paid_minor for saga in done),
            **owned,  # what all have together is what was ever issued
        }
        return [f"{one.name}: {one.detail}" for one in broken] + differences(expected, found)


@dataclass(slots=True)
class FloodedTrades(RunningTrades):
    """Takes many in together, as the writer does of a book that is busy; lanes carry them out."""

    async def submit(self, saga: Saga) -> str:
        """Take in one."""
        (operation_id,) = await self.submit_many([saga])
        return operation_id

    async def submit_many(self, sagas: list[Saga]) -> list[str]:
        """Take trades in, in one commit, and have their lanes run."""
        operations = await self.accept(sagas)
        await asyncio.gather(*map(self.platform.operations.begin, operations))
        return [operation.id for operation in operations]


class Trades:
    """Perdure's way of trades.

    Args:
        name: As the results call it.
        set_up: How it is built and tuned.
        gear: What carries them out.
    """

    durable_steps = 4

    def __init__(self, name: str, set_up: str, gear: AskedGear) -> None:
        self.name = name
        self.set_up = set_up
        self._gear = gear

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the services, the Temporal server and the workers."""
        services = simulated_services(site)
        is_flood = self._gear == AskedGear.FLOOD
        busy, idle = ("lanes", "operations") if is_flood else ("operations", "lanes")
        roles = [busy] * site.workers + [idle, "notifications", "providers"]
        await migrate(site.database_url)
        async with (
            dev_server(site) as engine,
            supervised(
                site.folder,
                [
                    *services.processes,
                    engine.process,
                    *workers(site, engine, roles, services.environment),
                ],
            ) as supervisor,
            open_trading(
                site, services, await Client.connect(engine.address), EngineVariant.PERDURE
            ) as (platform, account_ids),
        ):
            running = FloodedTrades if is_flood else RunningTrades
            yield running(platform, account_ids, supervisor, services, self._gear)


def simulated_services(site: Site) -> Services:
    """Return both services, as Perdure's simulators run them, with their books on the disk."""
    urls, controls, specs = {}, {}, []
    for role in (ASSETS_ROLE, WALLETS_ROLE):
        port, control_port = free_port(), free_port()
        urls[role.name] = f"grpc://127.0.0.1:{port}"
        controls[role.name] = control = f"http://127.0.0.1:{control_port}"
        specs.append(
            ProcessSpec(
                name=role.name,
                argv=python_module(
                    *("perdure.cli.main", "simulate", role.name, "--port", str(control_port)),
                    *("--grpc-port", str(port), "--data-dir", str(site.folder / role.name)),
                    *(("--opening-lots", str(_OPENING_LOTS)) if role is ASSETS_ROLE else ()),
                ),
                ready=_answers(control),
            )
        )
    return Services(urls, controls, started_together(specs))


def _answers(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        async with open_http(url) as http, http.get("/v1/totals") as answer:
            return answer.ok

    return ready


@asynccontextmanager
async def open_trading(
    site: Site, services: Services, client: Client, variant: EngineVariant
) -> AsyncIterator[tuple[Platform, list[str]]]:
    """Open the accounts of those who trade, and what they sell; which system takes trades is said.

    Yields what this process takes trades in with, and the accounts.
    """
    settings = services.settings(site)
    async with open_pool(site.database_url, size=settings.database_pool_size) as pool:
        platform = compose(settings, pool, client)
        assert TRADES.engine_flag is not None
        flag = replace(await platform.flags.get(TRADES.engine_flag), default_variant=variant)
        await platform.flags.put(flag, actor="bench", reason="The peer's way.")
        account_ids = await open_wallets(platform)
        async with open_outside(settings) as outside, platform.flag_provider.refreshing():
            assets = outside.made(use_of(ASSETS_ROLE, settings))
            for number in range(ASSETS):
                await assets.reserve(
                    reference=sell_order_id(number),
                    owner=account_ids[seller_of(number)],
                    asset=asset_name(number),
                    quantity_lots=RESERVED_LOTS,
                )
            yield platform, account_ids
            await platform.close()


_SET_UP: Final = (
    "A trade is taken in as the asset's writer does it, and exchanged over gRPC with the simulated"
    " services, which sync their books; it has ended once it is settled on our books."
)


def by_default() -> Trades:
    """Return trades as they come: each in the interactive lanes of the operations workers."""
    return Trades("trades", f"{_SET_UP} Perdure, as it comes: interactive lanes.", AskedGear.AUTO)


def own_workflows() -> Trades:
    """Return trades with a workflow for each."""
    return Trades("trades-own", f"{_SET_UP} Perdure, each an own workflow.", AskedGear.OWN_WORKFLOW)


def in_lanes() -> Trades:
    """Return trades of a busy book, many to a commit."""
    set_up = f"{_SET_UP} Perdure, many to a commit, in four lanes."
    return Trades("trades-lanes", set_up, AskedGear.FLOOD)
