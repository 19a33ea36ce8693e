"""The database of the peers that bring no ledger of their own, and whether it is right."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import asyncpg

from bench import statements
from bench.saga import ACCOUNTS, CURRENCY, OPENING_BALANCE_MINOR, Saga, total_minor
from bench.steps import Payment, Steps

POOL_SIZE = 20
"""Connections of one process: Perdure's own default, and the same for every peer."""


class SqlBooks:
    """The benchmark's side of such a peer: takes sagas in, sees their ends, checks the effects."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", steps: Steps) -> None:
        self._pool = pool
        self.steps = steps

    async def accept(self, saga: Saga) -> Payment:
        """Write a payment down, as an API would before it answers."""
        payment = Payment(f"pay_{uuid4().hex}", saga.account_number, saga.amount_minor)
        await self.steps.accept(payment)
        return payment

    async def carry_out(self, saga: Saga) -> str:
        """Do the whole saga here, one step after the other, with nothing to resume it."""
        payment = await self.accept(saga)
        await self.steps.validate(payment)
        await self.steps.hold(payment)
        payout_id = await self.steps.pay_out(payment)
        await self.steps.settle(payment, payout_id)
        await self.steps.notify(payment)
        return payment.id

    async def mark_done(self) -> None:
        """Set the state machine's own column of payments that were carried out without it."""
        await self._pool.execute(statements.MARK_DONE)

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which payments have ended, and when."""
        rows = await self._pool.fetch(statements.FINISHED_OF, operation_ids)
        return {row["id"]: row["finished_at_s"] for row in rows}

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Compare what is in the database, and at the provider, with what was asked."""
        row = await self._pool.fetchrow(statements.TOTALS)
        assert row is not None
        count, moved_minor = len(done), total_minor(done)
        expected = {
            "succeeded": count,
            "accepted_minor": moved_minor,
            "posted_minor": moved_minor,
            "imbalance_minor": 0,
            "entries": 2 * count,
            "notifications": count,
            "held_minor": 0,
            "balance_minor": ACCOUNTS * OPENING_BALANCE_MINOR - moved_minor,
        }
        return differences(expected, dict(row)) + provider_violations(done, books)


def provider_violations(
    done: list[Saga], books: Mapping[str, int], *, moved: str = "paid_out"
) -> list[str]:
    """Return in what the provider's books differ from the sagas: each paid and told once.

    Args:
        moved: Whether the provider has `paid_out` or `charged`; it must not have done the other.
    """
    expected = {
        "payouts": 0,
        "payout_references": 0,
        "paid_out_minor": 0,
        "charges": 0,
        "charge_references": 0,
        "charged_minor": 0,
        "messages": len(done),
        "message_references": len(done),
    }
    noun = "payout" if moved == "paid_out" else "charge"
    expected |= {
        f"{noun}s": len(done),
        f"{noun}_references": len(done),
        f"{moved}_minor": total_minor(done),
    }
    return differences(expected, books)


def differences(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Return a sentence for each number that is not as expected."""
    return [
        f"{name} is {found.get(name)}, not {number}"
        for name, number in expected.items()
        if found.get(name) != number
    ]


@asynccontextmanager
async def open_books(database_url: str, provider_url: str) -> AsyncIterator[SqlBooks]:
    """Make the tables and accounts, and open a pool on them."""
    async with open_steps(database_url, provider_url) as (pool, steps):
        await pool.execute(statements.SCHEMA)
        await pool.execute(statements.OPEN_ACCOUNTS, ACCOUNTS, OPENING_BALANCE_MINOR, CURRENCY)
        await pool.execute("ANALYZE accounts")
        yield SqlBooks(pool, steps)


@asynccontextmanager
async def open_steps(
    database_url: str, provider_url: str
) -> AsyncIterator[tuple["asyncpg.Pool[asyncpg.Record]", Steps]]:
    """Open what the steps need in this process."""
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=POOL_SIZE) as pool,
        open_http(provider_url) as http,
    ):
        yield pool, Steps(pool, http)


def open_http(base_url: str) -> aiohttp.ClientSession:
    """Return a client that keeps its connections, and raises for a status."""
    return aiohttp.ClientSession(
        base_url, timeout=aiohttp.ClientTimeout(total=10), raise_for_status=True
    )
