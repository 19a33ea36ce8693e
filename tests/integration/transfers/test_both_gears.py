"""A transfer carried out by its own workflow, and by a lane: the same effects."""

import pytest

from tests.integration.payments.town import Town
from tests.integration.payments.written import all_written

from .transfers import actions, ended, payouts, transfer


@pytest.mark.parametrize("lane", [None, 0])
async def test_a_transfer_pays_out_once_and_tells_the_customer(
    town: Town, lane: int | None
) -> None:
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane)
    assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await payouts(town, found) == ["paid"]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (4_000, 4_000)
    assert await town.statuses(found) == ["pending", "processing", "succeeded"]
    steps = await town.steps(found)
    assert steps[:3] == ["hold_funds:succeeded", "pay_out:succeeded", "settle:succeeded"]


@pytest.mark.parametrize("lane", [None, 0])
async def test_a_refused_transfer_leaves_the_money_where_it_was(
    town: Town, lane: int | None
) -> None:
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane, destination="dest_declined")
    operation = await town.end_of(found)
    assert operation.status == "failed"
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (5_000, 5_000)
    assert ("promoted" in await actions(town, found)) == (lane is not None)
    assert operation.lane is None


async def test_both_gears_write_the_same(town: Town) -> None:
    rows = []
    for lane in (None, 0):
        found = await transfer(town, await town.account(), lane=lane)
        await town.end_of(found)
        rows.append(await all_written(town.platform.pool, found, steps=4))
    assert rows[0]["messages"], "nothing was compared"
    assert rows[1] == rows[0]
