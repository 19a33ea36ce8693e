"""Every way a transfer can go beside those of any kind (`test_contract`), in both gears."""

import pytest

from perdure.capability import books
from perdure.transfers.contracts import BANK
from tests.integration.payments.town import Town
from tests.outages import others_get_through

from .transfers import ended, payouts, transfer

SUCCEED = [
    "DE89370400440532013000",
    "dest_flaky",
    "dest_rate_limited",
    "dest_slow",
    "dest_not_recallable",
]

FAIL = {
    "dest_fails": ("account_blocked", ["failed"]),
    "dest_down": ("bank_unavailable", []),
}


@pytest.mark.parametrize("lane", [None, 1])
@pytest.mark.parametrize("destination", SUCCEED)
async def test_the_money_is_paid_out_once_e5(
    town: Town, destination: str, lane: int | None
) -> None:
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane, destination=destination)
    assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await payouts(town, found) == ["paid"]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.debits_pending_minor) == (4_000, 0)


@pytest.mark.parametrize("lane", [None, 1])
@pytest.mark.parametrize("destination", FAIL)
async def test_a_failure_gives_everything_back_e5(
    town: Town, destination: str, lane: int | None
) -> None:
    code, at_bank = FAIL[destination]
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane, destination=destination)
    async with others_get_through(town.platform.pool, BANK, "pay_out"):
        assert ended(await town.end_of(found)) == ("failed", code)
    assert await payouts(town, found) == at_bank
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.debits_pending_minor) == (5_000, 0)


async def test_what_all_of_them_left_breaks_no_invariant(town: Town) -> None:
    found = await transfer(town, await town.account())
    await town.end_of(found)
    left = await books.violations(town.platform.pool, {"bank": town.books["bank"]})
    assert left == []
    checked = books.invariants(["bank"])
    assert {"succeeded_paid_out_once", "lanes_are_driven"} <= set(checked)
