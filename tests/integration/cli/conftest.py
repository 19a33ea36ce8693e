"""Payments on a real database, with an engine that only remembers what it was told to start."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.engine import RunState
from perdure.operations.model import Operation
from perdure.operations.service import OperationService
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.rules import PaymentLimits
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

from .shell import ServedApi, Shell, served_api


@dataclass
class RecordingEngine:
    """Starts nothing."""

    started: list[str] = field(default_factory=list)
    lanes: list[tuple[str, int]] = field(default_factory=list)
    kinds: frozenset[str] = frozenset({"payment"})

    async def start(self, operation: Operation, *, again: bool = False) -> bool:
        self.started.append(operation.id)
        return True

    async def replace(self, operation: Operation) -> None: ...

    async def reset(self, operation_id: str, *, reason: str) -> bool:
        return True

    async def run_lane(self, kind: str, lane: int) -> None:
        self.lanes.append((kind, lane))

    async def lane_state(self, kind: str, lane: int) -> RunState:
        return RunState.RUNNING

    async def signal_cancel(self, operation_id: str, *, actor: str, reason: str) -> None: ...

    async def signal_resume(self, operation_id: str) -> None: ...

    async def run_state(self, operation_id: str) -> RunState:
        return RunState.RUNNING

    async def broken_off_since(self, moment: datetime) -> list[str]:
        return []


@dataclass(frozen=True)
class House:
    """What imports and checks work on."""

    pool: Pool
    ledger: PostgresLedger
    engine: RecordingEngine
    operations: OperationService
    payments: PaymentAcceptance
    account_id: str
    customer_id: str


@pytest.fixture(scope="session")
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of their own: they leave operations open that workers elsewhere would take up."""
    async with migrated_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on it."""
    async with open_pool(database_url, size=10, application_name="perdure-tests") as opened:
        yield opened


@pytest.fixture
async def house(pool: Pool) -> House:
    """A customer with 1000.00 USD."""
    ledger, engine = PostgresLedger(), RecordingEngine()
    customer_id, account_id = new_id("cus"), new_id(ACCOUNT)
    async with transaction(pool) as connection:
        await ensure_system_accounts(ledger, connection, ["USD"])
        await ledger.open_account(
            connection,
            NewAccount(
                id=account_id,
                name="Wallet",
                kind=AccountKind.LIABILITY,
                currency="USD",
                customer_id=customer_id,
            ),
        )
        await ledger.post(
            connection,
            NewTransfer(
                id=new_id(TRANSFER),
                debit_account_id=system_account_id(SystemAccount.BANK, "USD"),
                credit_account_id=account_id,
                amount_minor=100_000,
                currency="USD",
                code="deposit",
            ),
        )
    return House(
        pool,
        ledger,
        engine,
        OperationService(pool, engine),
        PaymentAcceptance(ledger, PaymentLimits()),
        account_id,
        customer_id,
    )


@pytest.fixture(scope="session")
async def api(database_url: str, pool: Pool) -> AsyncIterator[ServedApi]:
    """The API on that database."""
    async with served_api(database_url, pool) as api:
        yield api


@pytest.fixture
def shell(api: ServedApi, tmp_path: Path) -> Shell:
    """An operator's shell."""
    return Shell(api.database_url, tmp_path, api)
