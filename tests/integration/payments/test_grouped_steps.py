"""A payment's steps on our database, alone and together with others: the same rows."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from perdure.core.errors import InsufficientFunds, LimitExceeded, PerdureError, Refused
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications.contracts import Party
from perdure.operations.steps import TransactionalSteps, from_json
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.contracts import (
    ChargeOutcome,
    Held,
    HoldFunds,
    PaymentInput,
    PaymentRequest,
    SettlePayment,
)
from perdure.payments.funding import funded_steps
from perdure.payments.rules import PaymentLimits
from perdure.storage.pool import Pool, transaction
from tests.polls import eventually

from .written import written

Result = TypeVar("Result")

CHARGE = ChargeOutcome("ch_1", "succeeded")
TODAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


class CountingSteps(TransactionalSteps):
    """Counts the steps that were run by themselves."""

    alone = 0

    async def run(self, *given: Any, **options: Any) -> Any:
        self.alone += 1
        return await super().run(*given, **options)


class Desk:
    """Payments to run the steps of."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ledger = PostgresLedger()
        self.steps = CountingSteps(pool)
        self.activities = funded_steps(pool, self.steps, self.ledger, clock=lambda: TODAY)

    async def account(self, *, funds_minor: int = 100_000) -> dict[str, str]:
        customer_id, account_id = f"cus_{uuid4().hex[:8]}", new_id(ACCOUNT)
        async with transaction(self.pool) as connection:
            await ensure_system_accounts(self.ledger, connection, ["USD"])
            await self.ledger.open_account(
                connection,
                NewAccount(
                    id=account_id,
                    name="Wallet",
                    kind=AccountKind.LIABILITY,
                    currency="USD",
                    customer_id=customer_id,
                ),
            )
            await self.ledger.post(
                connection,
                NewTransfer(
                    id=new_id(TRANSFER),
                    debit_account_id=system_account_id(SystemAccount.BANK, "USD"),
                    credit_account_id=account_id,
                    amount_minor=funds_minor,
                    currency="USD",
                    code="deposit",
                ),
            )
        return {"customer_id": customer_id, "account_id": account_id, "currency": "USD"}

    async def accept(
        self, account: dict[str, str], *, amount_minor: int = 1_000, count: int = 1
    ) -> list[PaymentInput]:
        request = PaymentRequest(
            **account,
            amount_minor=amount_minor,
            payment_method="tok_ok",
            payer=Party("Ada", "ada@example.com"),
            payee=Party("Grace", phone="+15550100"),
        )
        async with transaction(self.pool) as connection:
            accepted = await PaymentAcceptance(self.ledger, PaymentLimits()).accept_many(
                connection, [request] * count, actor="tests"
            )
        assert not [one for one in accepted if isinstance(one, PerdureError)]
        return [
            from_json(PaymentInput, one.input)
            for one in accepted
            if not isinstance(one, PerdureError)
        ]

    async def hold(
        self, payments: list[PaymentInput], *, limit_minor: int | None = None
    ) -> list[Held | BaseException]:
        found: list[Held | BaseException] = await asyncio.gather(
            *(self.activities.hold(HoldFunds(one, limit_minor)) for one in payments),
            return_exceptions=True,
        )
        return found

    async def counted_minor(self, account: dict[str, str]) -> int:
        found: int | None = await self.pool.fetchval(
            "SELECT sum(amount_minor)::bigint FROM payment_daily_totals"
            " WHERE customer_id = $1 AND day = $2",
            account["customer_id"],
            TODAY.date(),
        )
        return found or 0

    async def alone(self, operation_id: str, step: Callable[[], Awaitable[Result]]) -> Result:
        """Run a step while its operation is held by another, so that no group takes it."""
        before = self.steps.alone
        async with transaction(self.pool) as connection:
            await connection.execute(
                "SELECT FROM operations WHERE id = $1 FOR UPDATE", operation_id
            )
            running = asyncio.ensure_future(step())
            await eventually(lambda: self.steps.alone > before)
        assert self.steps.alone == before + 1
        return await running


@pytest.fixture
def desk(pool: Pool) -> Desk:
    return Desk(pool)


@pytest.mark.parametrize("limit_minor", [None, 5_000])
async def test_a_group_writes_what_each_step_alone_writes(
    desk: Desk, limit_minor: int | None
) -> None:
    [single] = await desk.accept(await desk.account())
    hold, settle = HoldFunds(single, limit_minor), SettlePayment(single, CHARGE)
    found = single.operation_id
    held = await desk.alone(found, lambda: desk.activities.hold(hold))
    end = await desk.alone(found, lambda: desk.activities.settle(settle))
    assert (held.counted_on is not None, end.status) == (limit_minor is not None, "succeeded")

    group = [one for _ in range(3) for one in await desk.accept(await desk.account())]
    before = desk.steps.alone
    assert {type(result) for result in await desk.hold(group, limit_minor=limit_minor)} == {Held}
    await asyncio.gather(*(desk.activities.settle(SettlePayment(one, CHARGE)) for one in group))
    assert desk.steps.alone == before
    expected = await written(desk.pool, found)
    assert len(expected["messages"]) == 2
    for one in group:
        assert await written(desk.pool, one.operation_id) == expected


async def test_a_group_counts_each_customer_against_the_limit_together(desk: Desk) -> None:
    first, second = await desk.account(), await desk.account()
    payments = await desk.accept(first, count=3) + await desk.accept(second, count=2)
    results = await desk.hold(payments, limit_minor=3_000)
    assert {type(result) for result in results} == {Held}
    assert desk.steps.alone == 0
    assert (await desk.counted_minor(first), await desk.counted_minor(second)) == (3_000, 2_000)


async def test_a_customer_over_the_limit_is_refused_one_by_one_and_others_are_not(
    desk: Desk,
) -> None:
    spender, other = await desk.account(), await desk.account()
    payments = await desk.accept(spender, count=5) + await desk.accept(other)
    *of_spender, of_other = await desk.hold(payments, limit_minor=3_000)
    assert isinstance(of_other, Held)
    assert [type(one) for one in of_spender].count(Held) == 3
    refused = [one for one in of_spender if not isinstance(one, Held)]
    assert {type(one) for one in refused} == {LimitExceeded}
    assert (await desk.counted_minor(spender), await desk.counted_minor(other)) == (3_000, 1_000)


async def test_what_is_not_held_is_not_counted(desk: Desk) -> None:
    account = await desk.account(funds_minor=2_500)
    frozen = await desk.account()
    payments = await desk.accept(account, count=4) + await desk.accept(frozen)
    async with transaction(desk.pool) as connection:
        await desk.ledger.set_account_status(connection, frozen["account_id"], AccountStatus.FROZEN)
    *results, of_frozen = await desk.hold(payments, limit_minor=10_000)
    assert [type(one) for one in results].count(Held) == 2
    assert [type(one) for one in results].count(InsufficientFunds) == 2
    assert isinstance(of_frozen, Refused)
    assert (await desk.counted_minor(account), await desk.counted_minor(frozen)) == (2_000, 0)


async def test_one_payment_over_the_limit_by_itself_is_not_counted(desk: Desk) -> None:
    account = await desk.account()
    large = await desk.accept(account, amount_minor=5_000)
    [refused] = await desk.hold(large, limit_minor=3_000)
    assert isinstance(refused, LimitExceeded)
    assert await desk.counted_minor(account) == 0


async def test_a_step_repeated_returns_what_it_stored_and_counts_once(desk: Desk) -> None:
    account = await desk.account()
    payments = await desk.accept(account)
    [first] = await desk.hold(payments, limit_minor=3_000)
    [again] = await desk.hold(payments, limit_minor=3_000)
    assert again == first
    assert await desk.counted_minor(account) == 1_000


async def test_what_is_accepted_together_is_refused_one_by_one(desk: Desk) -> None:
    account, other = await desk.account(funds_minor=1_500), await desk.account()
    good = PaymentRequest(
        account["customer_id"], account["account_id"], 1_000, "USD", "tok_ok", reference="a"
    )
    requests = [
        good,
        replace(good, reference=None, customer_id=other["customer_id"]),
        replace(good, reference=None, amount_minor=2_000),
        replace(good, reference=None, amount_minor=0),
        good,
        replace(good, amount_minor=900),
    ]
    acceptance = PaymentAcceptance(desk.ledger, PaymentLimits())
    async with transaction(desk.pool) as connection:
        found = await acceptance.accept_many(
            connection, requests, actor="tests", lanes=[7, None, None, None, 8, 9]
        )
    codes = [one.code if isinstance(one, PerdureError) else one.lane for one in found]
    assert codes == [
        7,
        "account_not_found",
        "insufficient_funds",
        "invalid_amount",
        7,
        "idempotency_mismatch",
    ]
