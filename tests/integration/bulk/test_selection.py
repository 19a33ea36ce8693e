"""Which operations a bulk is about: counted first, then written down by the database."""

from datetime import UTC, datetime, timedelta

import pytest

from perdure.core.errors import Conflict, InvalidInput, NotFound, OperationCancelled
from perdure.core.ids import new_id
from perdure.operations.bulk import lists
from perdure.operations.bulk.model import BulkQuery, ItemState, ListedIds
from perdure.operations.bulk.selection import select_items
from perdure.operations.model import By, Status
from perdure.storage.pool import transaction

from .office import Office

BOB = By("bob", "changed my mind")
AWAY = {"code": "registry_unavailable", "message": "It is away.", "step": "renew", "param": None}


async def test_a_hundred_thousand_operations_are_written_down_in_batches_r8(
    office: Office,
) -> None:
    wanted = await office.add(100_000, status="needs_attention", failure=AWAY)
    await office.add(1_000, status="needs_attention")
    query = BulkQuery(status=Status.NEEDS_ATTENTION, failure_code="registry_unavailable")
    bulk_id = await office.create(selection=query, confirm_count=100_000)
    assert await select_items(office.pool, bulk_id) == 100_000
    found = await office.pool.fetch(
        "SELECT number, operation_id FROM bulk_items WHERE bulk_id = $1 ORDER BY number", bulk_id
    )
    assert [row["operation_id"] for row in found] == wanted
    assert [row["number"] for row in found] == list(range(1, 100_001))
    assert (await office.bulks.progress_of(bulk_id)).pending == 100_000
    bulk = await office.bulks.get(bulk_id)
    assert (bulk.selected, bulk.operation.status) == (100_000, "processing")


async def test_a_list_is_written_down_in_its_order_each_id_once(office: Office) -> None:
    wanted = await office.add(30)
    async with transaction(office.pool) as connection:
        list_id = (await lists.create(connection, actor="ada")).id
    for ids in (wanted[10:], wanted[10:], [*wanted[:15], "pay_unknown"]):
        found = await office.bulks.add_to_list(list_id, ids)
    assert found.count == 31
    preview = await office.bulks.preview(ListedIds(list_id))
    assert (preview.count, preview.unknown, len(preview.sample)) == (31, 1, 10)
    bulk_id = await office.create(selection=ListedIds(list_id))
    with pytest.raises(Conflict, match=bulk_id):
        await office.bulks.add_to_list(list_id, ["pay_late"])
    assert await select_items(office.pool, bulk_id, batch=7) == 31
    assert await select_items(office.pool, bulk_id, batch=7) == 31
    items = await office.bulks.items(bulk_id, limit=100)
    assert [item.operation_id for item in items] == [*wanted[10:], *wanted[:10], "pay_unknown"]
    assert [item.number for item in items] == list(range(1, 32))
    assert (items[-1].state, items[-1].code) == (ItemState.REFUSED, "not_found")


async def test_lists_that_are_of_no_use_any_more_go(office: Office) -> None:
    wanted = await office.add(3)
    made = []
    for _ in range(3):
        async with transaction(office.pool) as connection:
            made.append((await lists.create(connection, actor="ada")).id)
        await office.bulks.add_to_list(made[-1], wanted)
    kept, stopped, old = made
    bulk_id = await office.create(selection=ListedIds(stopped))
    await office.bulks.stop(bulk_id, BOB)
    with pytest.raises(OperationCancelled):
        await select_items(office.pool, bulk_id)
    await office.runner().finish(bulk_id)
    await office.pool.execute(
        "UPDATE bulk_lists SET created_at = now() - interval '25 hours' WHERE id = $1", old
    )
    with pytest.raises(NotFound):
        await office.bulks.preview(ListedIds(old))
    while await lists.purge(office.pool):
        pass
    left = await office.pool.fetch("SELECT id FROM bulk_lists")
    assert [row["id"] for row in left] == [kept]
    assert (await office.bulks.preview(ListedIds(kept))).count == 3


async def test_a_selection_that_broke_off_goes_on_where_it_was(office: Office) -> None:
    wanted = await office.add(25)
    bulk_id = await office.create(selection=BulkQuery(kind="payment"))
    await office.pool.execute(
        "INSERT INTO bulk_items (bulk_id, number, operation_id)"
        " SELECT $1, number, found FROM unnest($2::text[]) WITH ORDINALITY AS f (found, number)",
        bulk_id,
        wanted[:10],
    )
    await office.pool.execute(
        "UPDATE bulks SET selected = 10, selected_through = right($2, 26) WHERE id = $1",
        bulk_id,
        wanted[9],
    )
    assert await select_items(office.pool, bulk_id, batch=10) == 25
    assert await select_items(office.pool, bulk_id, batch=10) == 25
    items = await office.bulks.items(bulk_id, limit=100)
    assert [item.operation_id for item in items] == wanted


async def test_what_comes_after_the_bulk_is_not_part_of_it_and_never_more_than_counted(
    office: Office,
) -> None:
    wanted = await office.add(3, status="needs_attention")
    late = await office.add(3)
    bulk_id = await office.create(selection=BulkQuery(status=Status.NEEDS_ATTENTION))
    await office.add(5, status="needs_attention", created_at=datetime.now(UTC))
    await office.pool.execute(
        "UPDATE operations SET status = 'needs_attention' WHERE id = ANY($1)", late
    )
    assert await select_items(office.pool, bulk_id) == 3
    items = await office.bulks.items(bulk_id)
    # What came to match meanwhile may be among them; more than were confirmed are not.
    assert {item.operation_id for item in items} <= {*wanted, *late}


async def test_every_criterion_narrows(office: Office) -> None:
    now = datetime.now(UTC)
    (wanted,) = await office.add(
        1,
        status="failed",
        failure=AWAY,
        customer_id="cus_2",
        metadata={"batch": "7", "by": "ada"},
        created_at=now - timedelta(days=2),
        updated_at=now - timedelta(days=1),
    )
    await office.add(4)
    await office.pool.execute(
        "INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until)"
        " VALUES ($1, 'renew', 'registry-info', 'r', 'unknown', now())",
        wanted,
    )
    hours = timedelta(hours=1)
    for query in (
        BulkQuery(status=Status.FAILED),
        BulkQuery(failure_step="renew"),
        BulkQuery(failure_code="registry_unavailable"),
        BulkQuery(customer_id="cus_2"),
        BulkQuery(provider="registry-info"),
        BulkQuery(metadata={"batch": "7"}),
        BulkQuery(created_before=now - 47 * hours, created_after=now - 49 * hours),
        BulkQuery(updated_before=now - 23 * hours, updated_after=now - 25 * hours),
        BulkQuery(kind="payment", status=Status.FAILED, metadata={"by": "ada", "batch": "7"}),
    ):
        preview = await office.bulks.preview(query)
        assert [operation.id for operation in preview.sample] == [wanted], query
    nothing = BulkQuery(status=Status.FAILED, metadata={"batch": "8"})
    assert (await office.bulks.preview(nothing)).count == 0
    with pytest.raises(Conflict) as refused:
        await office.create(selection=nothing)
    assert refused.value.code == "nothing_selected"


async def test_a_preview_stores_nothing_and_shows_what_there_is(office: Office) -> None:
    await office.add(20, status="needs_attention")
    await office.add(5, kind="transfer", status="failed")
    preview = await office.bulks.preview(BulkQuery())
    assert (preview.count, preview.unknown, len(preview.sample)) == (25, 0, 10)
    assert preview.by_status == {"failed": 5, "needs_attention": 20}
    assert preview.by_kind == {"payment": 20, "transfer": 5}
    assert preview.confirmation_needed  # it has no criterion
    assert not (await office.bulks.preview(BulkQuery(kind="transfer"))).confirmation_needed
    assert await office.bulks.find() == []


async def test_many_and_everything_need_their_number_confirmed_r8(office: Office) -> None:
    await office.add(101)
    payments = BulkQuery(kind="payment")
    for query, confirmed, code in (
        (payments, None, "confirmation_required"),
        (payments, 100, "count_changed"),
        (BulkQuery(), None, "confirmation_required"),
    ):
        with pytest.raises(Conflict) as refused:
            await office.create(selection=query, confirm_count=confirmed)
        assert refused.value.code == code
    await office.create(selection=payments, confirm_count=101)
    # The bulk there is now is not counted: bulks are no bulk's business.
    await office.create(selection=BulkQuery(), confirm_count=101)


async def test_a_list_names_operations_once_and_those_unknown_have_an_outcome(
    office: Office,
) -> None:
    known = await office.add(2)
    other_bulk = await office.create(selection=BulkQuery(kind="payment"))
    unknown = new_id("pay")
    listed = (known[1], unknown, known[0], known[1], other_bulk)
    preview = await office.bulks.preview(listed)
    assert (preview.count, preview.unknown) == (4, 2)
    bulk_id = await office.create(selection=listed)
    assert await select_items(office.pool, bulk_id) == 4
    items = await office.bulks.items(bulk_id)
    assert [(item.operation_id, item.state, item.code) for item in items] == [
        (known[1], ItemState.PENDING, None),
        (unknown, ItemState.REFUSED, "not_found"),
        (known[0], ItemState.PENDING, None),
        (other_bulk, ItemState.REFUSED, "not_selectable"),
    ]


async def test_a_bulk_that_is_stopped_selects_no_further(office: Office) -> None:
    await office.add(5)
    bulk_id = await office.create(selection=BulkQuery(kind="payment"))
    await office.bulks.stop(bulk_id, BOB)
    with pytest.raises(OperationCancelled):
        await select_items(office.pool, bulk_id)
    await office.runner().finish(bulk_id)
    assert await office.status(bulk_id) == "cancelled"


async def test_what_makes_no_sense_is_refused(office: Office) -> None:
    await office.add(1)
    now = datetime.now(UTC)
    for more, param in (
        ({"action": "delete"}, "action"),
        ({"action": "correct"}, "patch"),
        ({"action": "cancel", "arguments": {"patch": {"a": 1}}}, "patch"),
        ({"action": "correct", "arguments": {"patch": [1]}}, "patch"),
        ({"rate_per_s": 0.0}, "rate_per_s"),
        ({"rate_per_s": float("nan")}, "rate_per_s"),
        ({"selection": BulkQuery(kind="bulk")}, "kind"),
        ({"selection": BulkQuery(created_after=now, created_before=now)}, "created"),
        ({"selection": ("x" * 300,)}, "ids"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await office.create(**{"selection": BulkQuery(kind="payment"), **more})  # type: ignore[arg-type]
        assert refused.value.param == param
    with pytest.raises(NotFound) as missing:
        await office.bulks.get(new_id("pay"))
    assert missing.value.code == "bulk_not_found"
