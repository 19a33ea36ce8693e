"""A sync killed, and its loop broken, at every page: in the end all is as if nothing had been."""

from typing import Any

import pytest

from perdure.bank_sync.reading import RESTARTS_MAX

from .bank import left_behind, rows
from .scripted import PAGE, Kill, Killed, Syncs

PAGES = 4
MADE: dict[str, Any] = {"transactions": PAGES * PAGE, "pending": 3, "accounts": 2, "seed": 7}


async def _undisturbed(syncs: Syncs) -> dict[str, Any]:
    _, ours = await syncs.link(**MADE)
    assert (await syncs.sync(ours)).synced == MADE["transactions"]
    return await syncs.state(ours)


@pytest.mark.parametrize("moment", ["answered", "committed"])
async def test_a_sync_killed_at_every_step_ends_as_if_it_had_not_been(
    syncs: Syncs, moment: str
) -> None:
    """Before the commit of a page and after it; at each look, and once all is applied."""
    wanted = await _undisturbed(syncs)
    steps_after_pages = 4
    last = PAGES if moment == "answered" else PAGES + steps_after_pages
    for number in range(1, last + 1):
        _, ours = await syncs.link(**MADE)
        sync = await syncs.accept(ours)
        kill = Kill(after_answers=number) if moment == "answered" else Kill(after_steps=number)
        with pytest.raises(Killed):
            await syncs.run(sync, kill)
        end = await syncs.run(sync)
        assert (end.status, end.synced) == ("succeeded", MADE["transactions"]), number
        assert await syncs.state(ours) == wanted, number
    assert await left_behind(syncs.pool) == []


async def test_a_sync_killed_at_every_page_of_one_run(syncs: Syncs) -> None:
    """A worker after the other, none of which lives longer than a page."""
    wanted = await _undisturbed(syncs)
    _, ours = await syncs.link(**MADE)
    sync = await syncs.accept(ours)
    for number in range(PAGES):
        with pytest.raises(Killed):
            await syncs.run(sync, Kill(after_steps=1))
        run = await syncs.pool.fetchval("SELECT pages FROM bank_syncs WHERE item_id = $1", ours.id)
        assert run == number + 1
    await syncs.run(sync)
    assert await syncs.state(ours) == wanted


@pytest.mark.parametrize("times", [1, RESTARTS_MAX + 1], ids=["once", "again-and-again"])
async def test_a_loop_broken_at_every_page_ends_as_if_it_had_not_been(
    syncs: Syncs, times: int
) -> None:
    """Something really changed each time; where it goes on so, everything is read again."""
    for number in range(1, PAGES + 1):
        item, ours = await syncs.link(**MADE)
        await syncs.aggregator.manner(item, mutations={number: times}, changes=True)
        sync = await syncs.accept(ours)
        end = await syncs.run(sync)
        assert (end.status, end.synced) == ("succeeded", MADE["transactions"]), number
        # As one that is read once all of that has happened.
        other, undisturbed = await syncs.link(**MADE)
        last = f"{other['item_id']}-t{MADE['transactions'] - 1}"
        name = (await _names(syncs, ours.id, item))[
            f"{item['item_id']}-t{MADE['transactions'] - 1}"
        ]
        assert name.count("changed") == times
        change = {"kind": "modified", "transaction_id": last, "fields": {"name": name}}
        await syncs.aggregator.changes(other, change)
        await syncs.sync(undisturbed)
        assert await syncs.state(ours) == await syncs.state(undisturbed), number
    assert await left_behind(syncs.pool) == []


async def _names(syncs: Syncs, item_id: str, item: dict[str, Any]) -> dict[str, str]:
    found = await syncs.pool.fetch(
        "SELECT id, name FROM bank_transactions WHERE item_id = $1", item_id
    )
    assert len(found) == len(await syncs.aggregator.standing(item))
    return {row["id"]: row["name"] for row in found}


@pytest.mark.parametrize("moment", range(1, 4))
async def test_a_loop_broken_again_and_again_is_read_from_no_cursor(
    syncs: Syncs, moment: int
) -> None:
    """What is not told of then is no more: its row and its entry go, whatever was staged."""
    item, ours = await syncs.link(**MADE)
    await syncs.sync(ours)
    of = item["item_id"]
    await syncs.aggregator.changes(
        item,
        *({"kind": "removed", "transaction_id": f"{of}-t{number}"} for number in range(25)),
        *(
            {"kind": "added", "transaction_id": f"{of}-n{number}", "amount": "7.50"}
            for number in range(45)
        ),
        {"kind": "post", "transaction_id": f"{of}-t{MADE['transactions'] - 1}"},
    )
    await syncs.aggregator.manner(item, mutations={moment: RESTARTS_MAX + 1}, changes=True)
    sync = await syncs.accept(ours)
    end = await syncs.run(sync)
    told = await syncs.aggregator.standing(item)
    assert (end.status, end.removed) == ("succeeded", 26)
    assert await rows(syncs.pool, ours.id) == told
    actions = await syncs.pool.fetch(
        "SELECT action FROM operation_trail WHERE operation_id = $1 ORDER BY id", sync.operation_id
    )
    assert [row["action"] for row in actions].count("resync_begun") == 1
    assert await left_behind(syncs.pool) == []
