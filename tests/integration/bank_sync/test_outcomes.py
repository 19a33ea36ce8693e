"""What becomes of a sync, whatever the aggregator tells: step by step, on a real database."""

import asyncio
from typing import Any

import pytest

from perdure.bank_sync import items
from perdure.bank_sync.items import ItemStatus
from perdure.bank_sync.reading import BROKEN_MAX, EMPTY_PAGES_MAX
from perdure.bank_sync.traces import BankTraces
from perdure.capability.words import Words
from perdure.core.errors import (
    Conflict,
    PerdureError,
    ProviderDisagrees,
    Refused,
    TurnPending,
)
from perdure.erasures.acceptance import account_ids
from perdure.operations import store
from perdure.simulators.aggregator_sample import transaction
from perdure.storage.pool import transaction as transaction_of
from perdure.testing.provider_contract import error_of

from .bank import left_behind, rows
from .scripted import PAGE, Syncs


async def _entries(syncs: Syncs, item_id: str) -> list[tuple[str, int]]:
    """Return the entries of an item's syncs: code and amount."""
    found = await syncs.pool.fetch(
        "SELECT t.code, t.amount_minor FROM ledger_transfers t JOIN operations o"
        " ON o.id = t.operation_id WHERE o.input->'request'->>'item_id' = $1"
        " ORDER BY t.created_at, t.id",
        item_id,
    )
    return sorted((row["code"], row["amount_minor"]) for row in found)


async def _synced(syncs: Syncs, **made: Any) -> tuple[dict[str, Any], Any]:
    item, ours = await syncs.link(**made)
    await syncs.sync(ours)
    return item, ours


@pytest.mark.parametrize("linked", [True, False], ids=["with-its-id", "without"])
@pytest.mark.parametrize("between", [0, PAGE], ids=["one-page", "two-pages"])
async def test_what_was_pending_is_booked_once(syncs: Syncs, linked: bool, between: int) -> None:
    """Removed on one page, added on the same or another; only what is booked has an entry."""
    item, ours = await _synced(syncs, transactions=1, pending=1)
    assert await _entries(syncs, ours.id) == []
    pending = f"{item['item_id']}-t0"
    filler = [{"kind": "added", "transaction_id": f"f{n}", "amount": 1} for n in range(between - 1)]
    change = {
        "kind": "post",
        "transaction_id": pending,
        "linked": linked,
        "fields": {"amount": 9.87},
    }
    await syncs.aggregator.changes(item, *filler, change)
    end = await syncs.sync(ours)
    assert (end.added, end.removed) == (1 + len(filler), 1)
    kept = await rows(syncs.pool, ours.id)
    assert kept == await syncs.aggregator.standing(item)
    assert kept[f"{pending}-posted"] == (987, False)
    assert ("bank_transaction", 987) in await _entries(syncs, ours.id)
    assert await left_behind(syncs.pool) == []


async def test_entries_are_reversed_and_never_changed(syncs: Syncs) -> None:
    """Another amount, pending again, removed; what says the same keeps its entry."""
    item, ours = await _synced(syncs)
    add = {"kind": "added", "transaction_id": "one", "amount": "5.00"}
    await syncs.aggregator.changes(item, add)
    await syncs.sync(ours)
    wanted = [("bank_transaction", 500)]
    assert await _entries(syncs, ours.id) == wanted
    steps: list[tuple[dict[str, Any], list[tuple[str, int]]]] = [
        ({"kind": "modified", "fields": {"name": "OTHER"}}, []),
        (
            {"kind": "modified", "amount": "7.00"},
            [("bank_transaction_reversed", 500), ("bank_transaction", 700)],
        ),
        ({"kind": "modified", "amount": "-3.00"},
         [("bank_transaction_reversed", 700), ("bank_transaction", 300)]),
        ({"kind": "modified", "fields": {"pending": True}}, [("bank_transaction_reversed", 300)]),
        ({"kind": "modified", "fields": {"pending": False}}, [("bank_transaction", 300)]),
        ({"kind": "modified", "amount": 0}, [("bank_transaction_reversed", 300)]),
        ({"kind": "modified", "amount": 2}, [("bank_transaction", 200)]),
        ({"kind": "removed"}, [("bank_transaction_reversed", 200)]),
    ]  # fmt: skip
    for change, more in steps:
        await syncs.aggregator.changes(item, change | {"transaction_id": "one"})
        await syncs.sync(ours)
        wanted = sorted([*wanted, *more])
        assert await _entries(syncs, ours.id) == wanted, change
        assert await left_behind(syncs.pool) == [], change
    assert await rows(syncs.pool, ours.id) == {}


async def test_what_was_never_told_of_may_be_modified_or_removed(syncs: Syncs) -> None:
    item, ours = await _synced(syncs)
    await syncs.aggregator.changes(
        item,
        {"kind": "modified", "transaction_id": "unknown", "amount": 4},
        {"kind": "removed", "transaction_id": "never"},
    )
    end = await syncs.sync(ours)
    assert (end.synced, end.added, end.removed) == (1, 1, 0)
    assert await rows(syncs.pool, ours.id) == {"unknown": (400, False)}


async def test_of_what_is_told_several_times_the_last_counts(syncs: Syncs) -> None:
    """Added, changed, removed and added again, over the pages of one loop."""
    item, ours = await _synced(syncs)
    filler = [{"kind": "added", "transaction_id": f"f{n}", "amount": 1} for n in range(PAGE)]
    await syncs.aggregator.changes(
        item,
        {"kind": "added", "transaction_id": "gone", "amount": 1},
        {"kind": "added", "transaction_id": "back", "amount": 1},
        {"kind": "modified", "transaction_id": "back", "amount": 2},
        *filler,
        {"kind": "removed", "transaction_id": "gone"},
        {"kind": "removed", "transaction_id": "back"},
        *({"kind": "modified", "transaction_id": f"f{n}", "amount": 2} for n in range(PAGE)),
        {"kind": "added", "transaction_id": "back", "amount": 3},
    )
    end = await syncs.sync(ours)
    assert end.added == PAGE + 1
    kept = await rows(syncs.pool, ours.id)
    assert kept == await syncs.aggregator.standing(item)
    assert kept["back"] == (300, False)


async def test_an_item_that_is_not_ready_has_nothing_and_asks_again(syncs: Syncs) -> None:
    item, ours = await syncs.link(transactions=3)
    await syncs.aggregator.manner(item, not_ready=1)
    assert (await syncs.sync(ours)).synced == 0
    found = await items.find(syncs.pool, ours.id)
    assert found is not None
    assert (found.cursor, found.is_ready) == ("", False)
    assert (await syncs.sync(ours)).synced == 3


@pytest.mark.parametrize(
    ("manner", "code"),
    [
        ({"repeats_at": 2}, "cursor_repeated"),
        ({"repeats_at": 1}, "cursor_repeated"),
        ({"never_ends": True}, "pages_without_end"),
        ({"mutations": {1: 10**6}}, "pages_keep_changing"),
    ],
)
async def test_what_cannot_be_believed_parks_and_keeps_nothing(
    syncs: Syncs, manner: dict[str, Any], code: str
) -> None:
    """It does not loop for ever; once it is right again, the sync goes on."""
    item, ours = await syncs.link(transactions=50)
    await syncs.aggregator.manner(item, **manner)
    sync = await syncs.accept(ours)
    error = await _parked(syncs, sync)
    assert not isinstance(error, Refused)
    assert error.code == code
    assert await rows(syncs.pool, ours.id) == {}
    usual = {"repeats_at": 0, "never_ends": False, "mutations": {}}
    await syncs.aggregator.manner(item, **usual)
    run = await syncs.pool.fetchrow("SELECT * FROM bank_syncs WHERE item_id = $1", ours.id)
    assert run is not None
    assert run["restarts"] <= BROKEN_MAX
    assert run["empty_pages"] <= EMPTY_PAGES_MAX
    if code != "pages_without_end":  # its cursors lead nowhere any more
        assert (await syncs.run(sync)).synced == 50


async def _parked(syncs: Syncs, sync: Any) -> PerdureError:
    """Ask for pages until it raises what parks it."""
    body = next(body for step, body in syncs.bodies.items() if step.row_name == "fetch_page")
    for _ in range(100):
        try:
            await body(sync)
        except PerdureError as error:
            return error
    raise AssertionError("it went on for ever")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 1.234}, "amount_not_exact"),
        ({"iso_currency_code": None, "unofficial_currency_code": "BTC"}, "unknown_currency"),
        ({"account_id": "somebody's"}, "unknown_account"),
    ],
)
async def test_a_transaction_that_cannot_be_kept_parks(
    syncs: Syncs, fields: dict[str, Any], code: str
) -> None:
    item, ours = await syncs.link(transactions=3)
    made = transaction("odd", f"{item['item_id']}-0", 1, "2026-06-30") | fields
    await syncs.aggregator.changes(item, {"kind": "added", "transaction_id": "odd", "fields": made})
    error = await _parked(syncs, await syncs.accept(ours))
    assert isinstance(error, ProviderDisagrees)
    assert error.code == code


async def test_an_expired_login_says_so_until_it_is_made_anew(syncs: Syncs) -> None:
    """The sync fails by it, the item is free, and nothing is lost."""
    item, ours = await _synced(syncs, transactions=5)
    await syncs.aggregator.manner(item, login_required=True)
    end = await syncs.sync(ours)
    assert end.failure is not None
    assert (end.status, end.failure.code) == ("failed", "login_required")
    found = await items.find(syncs.pool, ours.id)
    assert found is not None
    assert (found.status, found.syncing) == (ItemStatus.LOGIN_REQUIRED, None)
    await syncs.aggregator.manner(item, login_required=False)
    await syncs.aggregator.changes(item, {"kind": "added", "transaction_id": "new", "amount": 1})
    assert (await syncs.sync(ours)).synced == 1
    found = await items.find(syncs.pool, ours.id)
    assert found is not None
    assert found.status == ItemStatus.ACTIVE


async def test_an_item_is_read_by_one_sync_and_once_more_after_it(syncs: Syncs) -> None:
    """Whoever asks meanwhile is answered with the one under way; it is begun when that ends."""
    item, ours = await syncs.link(transactions=5)
    first = await syncs.accept(ours)
    syncs.begun.clear()
    for _ in range(2):
        assert (await syncs.accept(ours)).operation_id == first.operation_id
    await syncs.aggregator.changes(item, {"kind": "added", "transaction_id": "new", "amount": 1})
    await syncs.run(first)
    (following,) = syncs.begun
    found = await items.find(syncs.pool, ours.id)
    assert found is not None
    assert (found.syncing, found.sync_again) == (following.id, False)
    again = await syncs.accept(ours)
    assert again.operation_id == following.id
    assert (await syncs.run(again)).synced == 0
    assert await left_behind(syncs.pool) == []


async def test_what_is_cancelled_forgets_what_it_read(syncs: Syncs) -> None:
    item, ours = await _synced(syncs, transactions=30)
    before = await syncs.state(ours)
    await syncs.aggregator.changes(item, {"kind": "added", "transaction_id": "new", "amount": 1})
    sync = await syncs.accept(ours)
    await syncs.pool.execute(
        "UPDATE operations SET cancel_request = $2 WHERE id = $1",
        sync.operation_id,
        {"actor": "test", "reason": "No.", "requested_at": "2026-01-01T00:00:00+00:00"},
    )
    end = await syncs.run(sync)
    assert end.status == "cancelled"
    assert await syncs.state(ours) == before
    assert await left_behind(syncs.pool) == []
    assert (await syncs.sync(ours)).synced == 1


async def test_an_item_that_is_asked_about_too_often_waits_its_turn(syncs: Syncs) -> None:
    """It is tried again later, and uses up no try."""
    _, ours = await syncs.link()
    sync = await syncs.accept(ours)
    control = syncs.aggregator.control
    await control.put("/control/faults", json={"rate": 1, "kinds": ["rate_limited"]})
    body = next(body for step, body in syncs.bodies.items() if step.row_name == "fetch_page")
    error = await error_of(body(sync))
    await control.put("/control/faults", json={"rate": 0})
    assert isinstance(error, TurnPending)
    assert error.retry_after_s is not None
    assert error.retry_after_s >= 5
    assert (await syncs.run(sync)).status == "succeeded"


async def test_a_cursor_that_is_none_any_more_has_everything_read_again(syncs: Syncs) -> None:
    item, ours = await _synced(syncs, transactions=5)
    await syncs.pool.execute("UPDATE bank_items SET cursor = 'b2xk' WHERE id = $1", ours.id)
    await syncs.aggregator.changes(
        item, {"kind": "removed", "transaction_id": f"{item['item_id']}-t0"}
    )
    end = await syncs.sync(ours)
    assert (end.status, end.removed) == ("succeeded", 1)
    assert await rows(syncs.pool, ours.id) == await syncs.aggregator.standing(item)


async def test_a_page_is_kept_once_whoever_reads_it(syncs: Syncs) -> None:
    """A worker that was thought dead comes late: what it read is left out, and told as done."""
    _, ours = await syncs.link(transactions=2 * PAGE)
    sync = await syncs.accept(ours)
    body = next(body for step, body in syncs.bodies.items() if step.row_name == "fetch_page")

    await asyncio.gather(*(body(sync) for _ in range(3)))
    numbers = await syncs.pool.fetch(
        "SELECT number FROM bank_sync_pages WHERE operation_id = $1", sync.operation_id
    )
    run = await syncs.pool.fetchval("SELECT pages FROM bank_syncs WHERE item_id = $1", ours.id)
    assert len(numbers) == run
    assert (await syncs.run(sync)).synced == 2 * PAGE


async def test_an_erased_customer_leaves_amounts_and_entries_and_nothing_else(syncs: Syncs) -> None:
    """Once the item is unlinked; its mirror is no money that is owed."""
    _, ours = await _synced(syncs, transactions=5)
    traces = BankTraces()
    async with transaction_of(syncs.pool) as connection:
        assert await traces.left_open(connection, ours.customer_id) == [ours.id]
        assert await account_ids(connection, ours.customer_id) == set()
        before = await rows(syncs.pool, ours.id)
        await items.set_status(connection, ours.id, ItemStatus.UNLINKED)
        assert await traces.left_open(connection, ours.customer_id) == []
        await traces.erase(connection, ours.customer_id, Words([]))
    assert await rows(syncs.pool, ours.id) == before
    kept = await syncs.pool.fetch("SELECT * FROM bank_transactions WHERE item_id = $1", ours.id)
    assert {row["name"] for row in kept} == {"[erased]"}
    assert {(row["merchant"], row["category_detailed"]) for row in kept} == {(None, None)}
    assert await items.access_token(syncs.pool, ours.id) is None
    assert await left_behind(syncs.pool) == []


async def test_what_has_ended_is_read_no_more(syncs: Syncs) -> None:
    _, ours = await syncs.link()
    sync = await syncs.accept(ours)
    await syncs.run(sync)
    body = next(body for step, body in syncs.bodies.items() if step.row_name == "fetch_page")
    assert isinstance(await error_of(body(sync)), Conflict)
    assert (await store.get(syncs.pool, sync.operation_id)).is_finished
