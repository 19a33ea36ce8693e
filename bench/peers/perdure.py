"""Perdure's payments capability, as `perdure up` runs it, without the API in front."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from bench.books import differences, provider_violations
from bench.peers.peer import Running, Site
from bench.peers.temporal_tutorial import temporal_server
from bench.peers.worker_processes import supervised
from bench.saga import ACCOUNTS, CURRENCY, OPENING_BALANCE_MINOR, Saga, total_minor
from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor
from perdure.ledger import verify as ledger_verify
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.operations import verify as operations_verify
from perdure.payments import verify as payments_verify
from perdure.payments.contracts import Party, PaymentRequest
from perdure.storage.migrate import migrate
from perdure.storage.pool import open_pool, transaction

# A payment has succeeded before the payer is told; the saga ends when the payer was told.
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
    """Accepts payments in this process, as the API does; workers carry them out."""

    platform: Platform
    account_ids: list[str]
    supervisor: Supervisor

    @property
    def processes(self) -> Mapping[str, int]:
        """Its processes' ids."""
        return self.supervisor.pids

    async def submit(self, saga: Saga) -> str:
        """Accept a payment, and start its workflow."""
        request = PaymentRequest(
            customer_id=_customer_id(saga.account_number),
            account_id=self.account_ids[saga.account_number],
            amount_minor=saga.amount_minor,
            currency=CURRENCY,
            payment_method="tok_ok",
            payer=Party("Ada", phone="+15550100"),
        )
        operations = self.platform.operations
        async with operations.transaction() as connection:
            operation = await self.platform.payments.accept(connection, request, actor="bench")
        await operations.launch(operation)
        return operation.id

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return whose payer was told, and when."""
        rows = await self.platform.pool.fetch(_FINISHED, operation_ids)
        return {row["id"]: row["finished_at_s"] for row in rows}

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Check every invariant that `perdure verify` checks, and the totals."""
        async with self.platform.pool.acquire() as connection:
            found = [
                *await ledger_verify.violations(connection),
                *await operations_verify.violations(connection),
                *await payments_verify.violations(connection),
            ]
            row = await connection.fetchrow(_TOTALS)
            assert row is not None
            clearing = system_account_id(SystemAccount.GATEWAY_CLEARING, CURRENCY)
            balance = await self.platform.ledger.balance(connection, clearing)
        expected = {"succeeded": len(done), "notifications": len(done)}
        moved = {"moved_minor": total_minor(done)}
        return [
            *(f"{violation.name}: {violation.detail}" for violation in found),
            *differences(expected, dict(row)),
            *differences(moved, {"moved_minor": balance.posted_minor}),
            *provider_violations(done, books),
        ]


class Perdure:
    """An own workflow for each payment."""

    name = "perdure"
    durable_steps = 5
    set_up = (
        "Perdure's payments capability with its defaults: an own workflow for each payment (hold,"
        " fraud check, charge, settle, notify), accepted and started through its services as the"
        " API does, in the worker processes `perdure up` starts. It does more than the saga: a"
        " fraud check in a child workflow with a call of its own, the intent of every outside"
        " call committed first, a double-entry ledger, each attempt and status recorded."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the server and the workers."""
        await migrate(site.database_url)
        server = temporal_server(site.folder)
        environment = _environment(site, server.address)
        roles = ["operations"] * site.workers + ["fraud", "notifications", "providers"]
        workers = [
            _worker(site.folder, f"worker-{role}-{number}", role, environment)
            for number, role in enumerate(roles, 1)
        ]
        settings = Settings(DATABASE_URL=site.database_url)
        async with (
            open_pool(site.database_url, size=settings.database_pool_size) as pool,
            supervised(site.folder, [server.process(), *workers]) as supervisor,
        ):
            platform = compose(settings, pool, await Client.connect(server.address))
            yield RunningPerdure(platform, await _open_accounts(platform), supervisor)


def _environment(site: Site, temporal_address: str) -> dict[str, str]:
    return {
        "DATABASE_URL": site.database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "PERDURE_DATA_DIR": str(site.folder),
        "PERDURE_GATEWAY_URL": site.provider_url,
        "PERDURE_FRAUD_SCORER_URL": site.provider_url,
        "PERDURE_SMS_URL": site.provider_url,
    }


def _worker(folder: Path, name: str, role: str, environment: dict[str, str]) -> ProcessSpec:
    log = folder / "logs" / f"{name}.log"

    async def ready() -> bool:
        return "worker_started" in log.read_text()

    argv = (sys.executable, "-m", "perdure.cli.main", "worker", "--role", role)
    return ProcessSpec(name=name, argv=argv, env=environment, ready=ready)


async def _open_accounts(platform: Platform) -> list[str]:
    """Open the customers' accounts, with money on them."""
    account_ids = [new_id(ACCOUNT) for _ in range(ACCOUNTS)]
    bank = system_account_id(SystemAccount.BANK, CURRENCY)
    async with transaction(platform.pool) as connection:
        await ensure_system_accounts(platform.ledger, connection, [CURRENCY])
        for number, account_id in enumerate(account_ids):
            await platform.ledger.open_account(
                connection,
                NewAccount(
                    id=account_id,
                    name="Wallet",
                    kind=AccountKind.LIABILITY,
                    currency=CURRENCY,
                    customer_id=_customer_id(number),
                ),
            )
            await platform.ledger.post(
                connection,
                NewTransfer(
                    id=new_id(TRANSFER),
                    debit_account_id=bank,
                    credit_account_id=account_id,
                    amount_minor=OPENING_BALANCE_MINOR,
                    currency=CURRENCY,
                    code="deposit",
                ),
            )
    return account_ids


def _customer_id(number: int) -> str:
    return f"cus_{number}"
