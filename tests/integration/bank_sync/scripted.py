"""Syncs whose steps a test runs by itself, and ends wherever it likes; on a real database."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from perdure.bank_sync import items
from perdure.bank_sync.acceptance import BankSyncAcceptance
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.applying import BankSyncEnds
from perdure.bank_sync.contracts import BankSyncEnd, BankSyncInput, BankSyncRequest
from perdure.bank_sync.items import Item
from perdure.bank_sync.looks import BankLooks
from perdure.bank_sync.process import FETCH_PAGE, run_bank_sync
from perdure.bank_sync.reading import BankPages
from perdure.core.script import Bodies, Given, Result, ScriptStep
from perdure.durable.payloads.keys import DataKeys
from perdure.durable.payloads.ring import KeyRing
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.model import Operation
from perdure.operations.steps import TransactionalSteps, from_json
from perdure.providers.aggregator import TransactionsPage
from perdure.providers.host import ProviderHost
from perdure.providers.plaid import PlaidAggregator, PlaidSettings
from perdure.storage.pool import Pool, transaction

from .bank import MASTER_KEY, Aggregator

PAGE = 20


class Killed(BaseException):
    """The worker is gone."""


@dataclass
class Kill:
    """When a worker dies: after so many steps are done, or answers come."""

    after_steps: int | None = None
    after_answers: int | None = None
    steps: int = 0
    answers: int = 0

    def step_done(self) -> None:
        self.steps += 1
        if self.steps == self.after_steps:
            raise Killed

    def answered(self) -> None:
        self.answers += 1
        if self.answers == self.after_answers:
            raise Killed


class _MortalAggregator(PlaidAggregator):
    kill = Kill()

    async def transactions(self, access_token: str, *, cursor: str, count: int) -> TransactionsPage:
        page = await super().transactions(access_token, cursor=cursor, count=count)
        self.kill.answered()
        return page


@dataclass
class _MortalRunner:
    bodies: Bodies
    kill: Kill
    seen: list[str] = field(default_factory=list)

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        result: Result = await self.bodies[step](given)
        self.seen.append(step.row_name)
        self.kill.step_done()
        return result

    async def run_until(self, *_: Any) -> Any:
        raise AssertionError("no step of a sync is run until something")

    async def tell(self, notification_ids: list[str]) -> None:
        assert not notification_ids


@dataclass
class Syncs:
    """What takes syncs in and carries them out."""

    pool: Pool
    aggregator: Aggregator
    plaid: _MortalAggregator
    tokens: AccessTokens
    acceptance: BankSyncAcceptance
    bodies: Bodies
    begun: list[Operation]

    async def link(self, **fields: Any) -> tuple[dict[str, Any], Item]:
        """Have a customer link; returns the aggregator's item, and ours."""
        item = await self.aggregator.make_item(**fields)
        customer_id = f"cus_{item['item_id']}"
        token = await self.tokens.encrypted(item["access_token"], customer_id)
        async with transaction(self.pool) as connection:
            linked = await items.link(
                connection,
                customer_id=customer_id,
                provider_item_id=item["item_id"],
                institution="A bank",
                access_token=token,
            )
        return item, linked

    async def accept(self, item: Item) -> BankSyncInput:
        """Take a sync in."""
        async with transaction(self.pool) as connection:
            request = BankSyncRequest(item.customer_id, item.id)
            accepted = await self.acceptance.accept(connection, request, actor="test")
        return from_json(BankSyncInput, accepted.input)

    async def run(self, sync: BankSyncInput, kill: Kill | None = None) -> BankSyncEnd:
        """Carry a sync out, in one worker's life."""
        runner = _MortalRunner(self.bodies, kill or Kill())
        self.plaid.kill = runner.kill
        while (end := await run_bank_sync(sync, runner)) is None:
            pass
        return end

    async def sync(self, item: Item) -> BankSyncEnd:
        """Take a sync in and carry it out."""
        return await self.run(await self.accept(item))

    async def state(self, item: Item) -> dict[str, Any]:
        """Return what an item's syncs have left: rows, how far it is read, ledger; without ids."""

        def bare(text: str | None) -> str | None:
            return text and text.replace(item.provider_item_id, "ITEM")

        rows = await self.pool.fetch(
            "SELECT id, account_id, amount_minor, booked_on, name, merchant, method, pending,"
            " pending_id, category_detailed, flags, entry_id IS NOT NULL AS is_booked"
            " FROM bank_transactions WHERE item_id = $1 ORDER BY id",
            item.id,
        )
        balances = await self.pool.fetch(
            "SELECT sum(debits_posted_minor - credits_posted_minor)::bigint AS minor"
            " FROM ledger_balances WHERE account_id IN (SELECT mirror_account_id"
            " FROM bank_transactions WHERE item_id = $1) GROUP BY account_id ORDER BY 1",
            item.id,
        )
        found = await items.find(self.pool, item.id)
        assert found is not None
        return {
            "rows": [
                {
                    name: bare(value) if isinstance(value, str) else _bare(value, bare)
                    for name, value in row.items()
                }
                for row in rows
            ],
            "balances": [row["minor"] for row in balances],
            "status": found.status,
            "syncing": found.syncing,
        }


def _bare(value: Any, bare: Callable[[str], str | None]) -> Any:
    if isinstance(value, list):
        return [{name: bare(str(said)) for name, said in flag.items()} for flag in value]
    return value


@asynccontextmanager
async def open_syncs(pool: Pool, aggregator: Aggregator) -> AsyncIterator[Syncs]:
    """Put together what takes syncs in and carries them out."""
    begun: list[Operation] = []

    async def begin(operation: Operation) -> None:
        begun.append(operation)

    async with ProviderHost(timeout_s=5) as host:
        plaid = _MortalAggregator.from_settings(PlaidSettings(url=aggregator.url), host)
        tokens = AccessTokens(DataKeys(pool, KeyRing([SecretStr(MASTER_KEY)])))
        acceptance, steps = BankSyncAcceptance(), TransactionalSteps(pool)
        pages = BankPages(pool, plaid, tokens, page_max=PAGE)
        bodies: Bodies = {
            FETCH_PAGE: pages.fetch_page,
            **BankLooks(pool, steps).bodies,
            **BankSyncEnds(steps, PostgresLedger(), acceptance, begin).bodies,
        }
        yield Syncs(pool, aggregator, plaid, tokens, acceptance, bodies, begun)
