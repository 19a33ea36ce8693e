"""A bank that answers something else than it was asked: no success, no second payout, a way out."""

import asyncio

import pytest

from tests.integration.payments.town import Town

from .transfers import actions, bank_misbehaves, ended, payouts, transfer

LIES = {
    "other_amount": "amount_minor 100000 instead of 1000",
    "other_currency": "currency 'JPY' instead of 'USD'",
    "other_reference": "-other' instead of",
    "unknown_status": "status 'requires_action', which is none of",
}


async def until_parked(town: Town, operation_id: str, *, times: int) -> None:
    for _ in range(600):
        if (await actions(town, operation_id)).count("parked") >= times:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await actions(town, operation_id))


@pytest.mark.parametrize("lane", [None, 6])
@pytest.mark.parametrize("lie", LIES)
async def test_a_payout_that_differs_parks_the_transfer_with_both_values(
    town: Town, lie: str, lane: int | None
) -> None:
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane, destination=f"dest_{lie}")
    operation = await town.until(found, {"needs_attention", "succeeded", "failed"})
    code = "provider_status_unknown" if lie == "unknown_status" else "provider_disagrees"
    assert ended(operation) == ("needs_attention", code)
    assert operation.failure is not None
    assert LIES[lie] in operation.failure.message
    assert (await town.balance(account)).available_minor == 4_000
    attempts = (await town.bank.get("/v1/payouts", params={"limit": 1000})).json()["data"]
    assert sum(one["reference"].startswith(found) for one in attempts) == 1
    # Whoever calls it off gets back what is there, if it is ours.
    await town.platform.operations.cancel(found, actor="ada", reason="It is not what I asked for.")
    if lie == "other_reference":
        await until_parked(town, found, times=2)
        return
    assert ended(await town.end_of(found)) == ("cancelled", "cancelled")
    assert await payouts(town, found) == ["recalled"]
    assert (await town.balance(account)).available_minor == 5_000


@pytest.mark.parametrize("kind", ["in_use", *LIES])
async def test_a_bank_whose_books_are_right_is_asked_and_the_transfer_succeeds(
    town: Town, kind: str
) -> None:
    async with bank_misbehaves(town, kind):
        found = await transfer(town, await town.account())
        assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await payouts(town, found) == ["paid"]
