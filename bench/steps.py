"""The five steps for peers that run asyncio: asyncpg and aiohttp.

Each step may run twice: what an earlier attempt committed is left as it is.
"""

from dataclasses import dataclass

import aiohttp
import asyncpg

from bench import statements
from bench.provider import MESSAGES, PAYOUTS
from bench.saga import CURRENCY


@dataclass(frozen=True, slots=True)
class Payment:
    """What travels from step to step."""

    id: str
    account_id: int
    amount_minor: int


class RefusedError(Exception):
    """The account cannot pay; the benchmark's accounts always can."""


class Steps:
    """Given a pool and a client of the provider that raises for a status."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", http: aiohttp.ClientSession) -> None:
        self._pool = pool
        self._http = http

    async def accept(self, payment: Payment) -> None:
        """Write the payment down, as pending."""
        await self._pool.execute(
            statements.ACCEPT, payment.id, payment.account_id, payment.amount_minor
        )

    async def validate(self, payment: Payment) -> None:
        """Check that the account can pay."""
        if not await self._pool.fetchval(
            statements.VALIDATE, payment.account_id, payment.amount_minor
        ):
            raise RefusedError(payment.id)

    async def hold(self, payment: Payment) -> None:
        """Set the money aside."""
        amount = payment.amount_minor
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(statements.HOLD, payment.id, payment.account_id, amount):
                row = await connection.fetchrow(statements.SET_ASIDE, payment.account_id, amount)
                if row is None:
                    raise RefusedError(payment.id)
                await connection.execute(statements.PROCESSING, payment.id)

    async def pay_out(self, payment: Payment) -> str:
        """Have the provider pay; returns its id of the payout."""
        async with self._http.post(
            PAYOUTS, json=payout_body(payment), headers={"Idempotency-Key": payment.id}
        ) as response:
            payout_id: str = (await response.json())["id"]
        return payout_id

    async def settle(self, payment: Payment, payout_id: str) -> None:
        """Post what was set aside."""
        amount = payment.amount_minor
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(statements.POST_HOLD, payment.id):
                await connection.execute(statements.TAKE, payment.account_id, amount)
                await connection.execute(
                    statements.ENTRIES, payment.id, str(payment.account_id), amount
                )
                await connection.execute(statements.SUCCEEDED, payment.id, payout_id)

    async def notify(self, payment: Payment) -> None:
        """Tell the payer, and write down that all is done."""
        async with self._http.post(
            MESSAGES, json=message_body(payment), headers={"Idempotency-Key": payment.id}
        ) as response:
            await response.read()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.NOTIFIED, payment.id)
            await connection.execute(statements.FINISHED, payment.id)


def payout_body(payment: Payment) -> dict[str, object]:
    """Return what the provider is asked to pay."""
    return {
        "reference": payment.id,
        "amount_minor": payment.amount_minor,
        "currency": CURRENCY,
        "destination": "bank_ok",
    }


def message_body(payment: Payment) -> dict[str, object]:
    """Return what the payer is told."""
    return {
        "reference": payment.id,
        "to": "+15550100",
        "text": f"You paid {payment.amount_minor} cents.",
    }
