"""However many send a request, and however often, its key makes it one."""

import asyncio
import random
from uuid import uuid4

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.ledger.verify import violations
from perdure.storage.pool import Pool

from .api_client import Api, created


async def test_racing_clients_make_one_payment(server: Api, pool: Pool) -> None:
    for attempt in range(5):
        wallet = await server.new_wallet(100_000)
        key = f"race-{attempt}-{wallet.customer_id}"
        answers = await asyncio.gather(*(server.pay(wallet, key=key) for _ in range(25)))
        made = [answer for answer in answers if answer.status_code == 201]
        rest = [answer for answer in answers if answer.status_code != 201]
        assert all(answer.json()["error"]["code"] == "idempotency_key_in_use" for answer in rest), [
            answer.text for answer in rest
        ]
        first = [answer for answer in made if "Idempotent-Replayed" not in answer.headers]
        assert len(first) == 1
        assert {answer.content for answer in made} == {first[0].content}
        assert [found["id"] for found in await server.payments_of(wallet)] == [
            first[0].json()["id"]
        ]
        assert created(await server.pay(wallet, key=key)) == first[0].json()
    async with pool.acquire() as connection:
        assert await violations(connection) == []


async def test_racing_deposits_pay_in_once(server: Api) -> None:
    wallet = await server.new_wallet()
    path = f"/v1/accounts/{wallet.account_id}"
    body = {"amount_minor": 700, "currency": "USD"}
    key = f"race-{wallet.customer_id}"
    answers = await asyncio.gather(*(server.post(f"{path}/deposits", body, key) for _ in range(25)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await server.get(f"{path}/balance")).json()["posted_minor"] == 700


PLANS = st.lists(
    # Which key, which amount, and how many send it at once.
    st.tuples(st.integers(0, 2), st.sampled_from([100, 200, 0, 10**6]), st.integers(1, 4)),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=PLANS, seed=st.integers())
async def test_a_key_never_makes_two_payments(
    api: Api, plan: list[tuple[int, int, int]], seed: int
) -> None:
    wallet = await api.new_wallet(5000)
    prefix = uuid4().hex
    sends = [(key, amount) for key, amount, times in plan for _ in range(times)]
    random.Random(seed).shuffle(sends)
    kept: dict[int, tuple[int, httpx.Response]] = {}
    for start in range(0, len(sends), 4):
        batch = sends[start : start + 4]
        answers = await asyncio.gather(
            *(api.pay(wallet, key=f"{prefix}-{key}", amount_minor=amount) for key, amount in batch)
        )
        for (key, amount), answer in zip(batch, answers, strict=True):
            check_answer(kept, key, amount, answer)
        for (key, amount), answer in zip(batch, answers, strict=True):
            if answer.status_code in {201, 402}:
                assert kept[key][0] == amount
                assert kept[key][1].content == answer.content
    made = {answer.json()["id"] for _, answer in kept.values() if answer.status_code == 201}
    assert {payment["id"] for payment in await api.payments_of(wallet)} == made


def check_answer(
    kept: dict[int, tuple[int, httpx.Response]], key: int, amount: int, answer: httpx.Response
) -> None:
    """An amount of 0 is wrong, one of a million is more than there is; the rest is paid."""
    if amount == 0:
        assert answer.status_code in {400, 409, 422}, answer.text
    elif answer.status_code in {201, 402}:
        assert answer.status_code == (402 if amount == 10**6 else 201)
        if "Idempotent-Replayed" not in answer.headers:
            assert key not in kept
            kept[key] = (amount, answer)
    else:
        assert answer.status_code in {409, 422}, answer.text
