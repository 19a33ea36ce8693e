"""The five steps for peers that run asyncio: asyncpg and httpx.

Each step may run twice: what an earlier attempt committed is left as it is.
"""

from dataclasses import dataclass

import asyncpg
import httpx

from bench import statements
from bench.provider import CHARGES, MESSAGES
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
    """Given a pool and a client of the provider."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", http: httpx.AsyncClient) -> None:
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

    async def debit(self, payment: Payment) -> None:
        """Set the money aside."""
        amount = payment.amount_minor
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(statements.HOLD, payment.id, payment.account_id, amount):
                row = await connection.fetchrow(statements.SET_ASIDE, payment.account_id, amount)
                if row is None:
                    raise RefusedError(payment.id)
                await connection.execute(statements.PROCESSING, payment.id)

    async def charge(self, payment: Payment) -> str:
        """Have the provider collect; returns its id of the charge."""
        body = charge_body(payment)
        response = await self._http.post(
            CHARGES, json=body, headers={"Idempotency-Key": payment.id}
        )
        charge_id: str = response.raise_for_status().json()["id"]
        return charge_id

    async def credit(self, payment: Payment, charge_id: str) -> None:
        """Post what was set aside."""
        amount = payment.amount_minor
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(statements.POST_HOLD, payment.id):
                await connection.execute(statements.TAKE, payment.account_id, amount)
                await connection.execute(
                    statements.ENTRIES, payment.id, str(payment.account_id), amount
                )
                await connection.execute(statements.SUCCEEDED, payment.id, charge_id)

    async def notify(self, payment: Payment) -> None:
        """Tell the payer, and write down that all is done."""
        response = await self._http.post(
            MESSAGES, json=message_body(payment), headers={"Idempotency-Key": payment.id}
        )
        response.raise_for_status()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.NOTIFIED, payment.id)
            await connection.execute(statements.FINISHED, payment.id)


def charge_body(payment: Payment) -> dict[str, object]:
    """Return what the provider is asked to collect."""
    return {
        "reference": payment.id,
        "amount_minor": payment.amount_minor,
        "currency": CURRENCY,
        "payment_method": "tok_ok",
    }


def message_body(payment: Payment) -> dict[str, object]:
    """Return what the payer is told."""
    return {
        "reference": payment.id,
        "to": "+15550100",
        "text": f"You paid {payment.amount_minor} cents.",
    }
