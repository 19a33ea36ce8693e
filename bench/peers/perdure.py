"""Perdure's transfers, as `perdure up` runs them, without the API in front."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.client import Client

from bench.accounts import open_accounts
from bench.books import differences, provider_violations
from bench.load import drive
from bench.peers.peer import Running, Site
from bench.peers.temporal_cluster import SET_UP as CLUSTER_SET_UP
from bench.peers.temporal_cluster import cluster
from bench.peers.temporal_engine import Engine, OpenEngine, dev_server
from bench.peers.worker_processes import started_together, supervised
from bench.saga import (
    ACCOUNTS,
    CURRENCY,
    OPENING_BALANCE_MINOR,
    Saga,
    customer_id,
    total_minor,
)
from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.core.errors import PerdureError
from perdure.core.gears import AskedGear
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor
from perdure.ledger import verify as ledger_verify
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.notifications.contracts import Party
from perdure.operations import verify as operations_verify
from perdure.operations.lanes.store import lane_of
from perdure.schema import migrate
from perdure.storage.pool import open_pool
from perdure.transfers.contracts import TransferRequest

SEEDING: Final = 2_000
"""How many operations are open at once in the lane that fills the stores."""
ACTOR: Final = "bench"

# A transfer has succeeded before the customer is told; the saga ends when the customer was told.
_FINISHED = """
SELECT operation_id AS id, extract(epoch FROM max(ended_at))::float8 AS finished_at_s
FROM notifications WHERE operation_id = ANY ($1::text[])
GROUP BY operation_id HAVING bool_and(state = 'sent')
"""

_TOTALS = """
SELECT count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       (SELECT count(*) FROM notifications WHERE state = 'sent') AS notifications
FROM operations
"""


@dataclass(slots=True)
class RunningPerdure:
    """Accepts transfers in this process, as the API does; workers carry them out."""

    platform: Platform
    account_ids: list[str]
    supervisor: Supervisor
    gear: AskedGear

    @property
    def processes(self) -> Mapping[str, int]:
        """Its processes' ids."""
        return self.supervisor.pids

    async def submit(self, saga: Saga) -> str:
        """Accept a transfer by itself, and have it begin."""
        operations, kinds = self.platform.operations, self.platform.kinds
        request = self._request(saga)
        async with operations.transaction() as connection:
            operation = await kinds.acceptance("transfer").accept(
                connection,
                request,
                actor=ACTOR,
                lane=kinds.lane_in(self.gear, "transfer", request),
            )
        await operations.begin(operation)
        return operation.id

    async def seed(self, sagas: list[Saga]) -> None:
        """Carry them out in the lane."""
        await drive(self.for_floods(), sagas, concurrency=SEEDING)

    def for_floods(self) -> "FloodedPerdure":
        """Return it as it takes files."""
        return FloodedPerdure(self.platform, self.account_ids, self.supervisor, self.gear)

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return whose customer was told, and when."""
        rows = await self.platform.pool.fetch(_FINISHED, operation_ids)
        return {row["id"]: row["finished_at_s"] for row in rows}

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Check every invariant that `perdure verify` checks, and the totals."""
        async with self.platform.pool.acquire() as connection:
            found = [
                *await ledger_verify.violations(connection),
                *await operations_verify.violations(connection),
            ]
            row = await connection.fetchrow(_TOTALS)
            assert row is not None
            bank = system_account_id(SystemAccount.BANK, CURRENCY)
            balance = await self.platform.ledger.balance(connection, bank)
        expected = {"succeeded": len(done), "notifications": len(done)}
        left = {"left_minor": ACCOUNTS * OPENING_BALANCE_MINOR - total_minor(done)}
        return [
            *(f"{violation.name}: {violation.detail}" for violation in found),
            *differences(expected, dict(row)),
            *differences(left, {"left_minor": balance.posted_minor}),
            *provider_violations(done, books),
        ]

    def _request(self, saga: Saga) -> TransferRequest:
        return TransferRequest(
            customer_id=customer_id(saga.account_number),
            account_id=self.account_ids[saga.account_number],
            amount_minor=saga.amount_minor,
            currency=CURRENCY,
            destination="bank_ok",
            customer=Party("Ada", phone="+15550100"),
        )


@dataclass(slots=True)
class FloodedPerdure(RunningPerdure):
    """Accepts files of transfers, as an import does; lanes carry them out."""

    async def submit(self, saga: Saga) -> str:
        """Accept a file of one."""
        (operation_id,) = await self.submit_many([saga])
        return operation_id

    async def submit_many(self, sagas: list[Saga]) -> list[str]:
        """Accept a file in one commit, spread over the lanes, and have these run."""
        platform = self.platform
        requests = [self._request(saga) for saga in sagas]
        numbers = [lane_of(each.customer_id, platform.settings.lanes) for each in requests]
        async with platform.operations.transaction() as connection:
            accepted = await platform.kinds.acceptance("transfer").accept_many(
                connection, requests, actor=ACTOR, lanes=numbers
            )
        operations = []
        for operation in accepted:
            if isinstance(operation, PerdureError):
                raise operation
            operations.append(operation)
        await asyncio.gather(*map(platform.operations.begin, operations))
        return [operation.id for operation in operations]


class Perdure:
    """Its workers on a Temporal server.

    Args:
        name: As the results call it.
        set_up: How it is built and tuned.
        open_engine: Gives the Temporal server.
        gear: What carries the operations out.
    """

    durable_steps = 4

    def __init__(self, name: str, set_up: str, open_engine: OpenEngine, gear: AskedGear) -> None:
        self.name = name
        self.set_up = set_up
        self._open_engine = open_engine
        self._gear = gear

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the server and the workers."""
        await migrate(site.database_url)
        settings = Settings(DATABASE_URL=site.database_url)
        is_flood = self._gear == AskedGear.FLOOD
        busy, idle = ("lanes", "operations") if is_flood else ("operations", "lanes")
        roles = [busy] * site.workers + [idle, "notifications", "providers"]
        async with (
            self._open_engine(site) as engine,
            open_pool(site.database_url, size=settings.database_pool_size) as pool,
            supervised(site.folder, [engine.process, *workers(site, engine, roles)]) as supervisor,
        ):
            platform = compose(settings, pool, await Client.connect(engine.address))
            running = FloodedPerdure if is_flood else RunningPerdure
            yield running(platform, await open_wallets(platform), supervisor, self._gear)
            await platform.operations.close()


_DOES_MORE: Final = (
    " accepted and started through its services as the API does, with the worker processes and"
    " settings of `perdure up`. Validating is part of the hold, so that four steps do the work of"
    " five. It does more than the saga: the intent of every outside call is committed first, and"
    " an answer that is lost is asked for; the ledger is double entry; each attempt and status is"
    " recorded."
)
_SET_UP: Final = (
    "Perdure's transfers (hold, pay out, settle, notify), each an own workflow,"
    f"{_DOES_MORE} As many processes carry out operations as there are workers, and one each"
    " stands by for lanes, notifications and providers."
)
_AUTO_SET_UP: Final = (
    "Perdure's transfers (hold, pay out, settle, notify) in the gear that is there by default, the"
    f" interactive lanes of the operations workers,{_DOES_MORE} As many processes carry out"
    " operations as there are workers, and one each stands by for lanes, notifications and"
    " providers."
)
_LANE_SET_UP: Final = (
    "Perdure's transfers (hold, pay out, settle, notify) in four lanes,"
    f"{_DOES_MORE} As many processes run lanes as there are workers, and one each stands by for"
    " operations, notifications and providers."
)


def by_default() -> Perdure:
    """Return Perdure as `perdure up` runs it."""
    return Perdure("perdure", _AUTO_SET_UP, dev_server, AskedGear.AUTO)


def own_workflows() -> Perdure:
    """Return it with a workflow for each operation."""
    return Perdure("perdure-own", _SET_UP, dev_server, AskedGear.OWN_WORKFLOW)


def in_lanes() -> Perdure:
    """Return its lanes."""
    return Perdure("perdure-lanes", _LANE_SET_UP, dev_server, AskedGear.FLOOD)


def own_workflows_on_cluster() -> Perdure:
    """Return it on the real server."""
    set_up = f"As perdure-own, on{CLUSTER_SET_UP}"
    return Perdure("perdure-own-cluster", set_up, cluster, AskedGear.OWN_WORKFLOW)


def in_lanes_on_cluster() -> Perdure:
    """Return its lanes on the real server."""
    set_up = f"As perdure-lanes, on{CLUSTER_SET_UP}"
    return Perdure("perdure-lanes-cluster", set_up, cluster, AskedGear.FLOOD)


def workers(
    site: Site, engine: Engine, roles: list[str], outside: Mapping[str, str] | None = None
) -> list[ProcessSpec]:
    """Return a worker process for each role.

    Args:
        outside: Where else they find what is outside.
    """
    environment = {
        "DATABASE_URL": site.database_url,
        "TEMPORAL_ADDRESS": engine.address,
        "PERDURE_DATA_DIR": str(site.folder),
        "PERDURE_BANK_URL": site.provider_url,
        "PERDURE_SMS_URL": site.provider_url,
        **(outside or {}),
    }
    return started_together(
        [
            _worker(site.folder, f"worker-{role}-{number}", role, environment)
            for number, role in enumerate(roles, 1)
        ]
    )


def _worker(folder: Path, name: str, role: str, environment: dict[str, str]) -> ProcessSpec:
    log = folder / "logs" / f"{name}.log"

    async def ready() -> bool:
        return "worker_started" in log.read_text()

    argv = (sys.executable, "-m", "perdure.cli.main", "worker", "--role", role)
    return ProcessSpec(name=name, argv=argv, env=environment, ready=ready)


async def open_wallets(platform: Platform) -> list[str]:
    """Open the customers' accounts, with money on them."""
    customer_ids = [customer_id(number) for number in range(ACCOUNTS)]
    return await open_accounts(
        platform.pool, platform.ledger, customer_ids, OPENING_BALANCE_MINOR, CURRENCY
    )
