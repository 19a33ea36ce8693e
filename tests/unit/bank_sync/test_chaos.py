"""Whatever is wrong with a round's bank items is found."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from perdure.bank_sync.chaos import ITEMS, _People
from perdure.bank_sync.chaos_figures import ItemRow, Left, SyncRow, findings
from perdure.bank_sync.contracts import KIND
from perdure.chaos.plan import plan_round
from perdure.chaos.seen import Seen, Storm

PLAN = plan_round(1, {"bank-syncs": 8})
AT = datetime(2026, 11, 28, tzinfo=UTC)
SYNC = SyncRow("bks_1", "bki_1", "succeeded", None, True, False, AT)
ROWS = {"t1": (1200, False), "t2": (-300, False), "t3": (50, True)}
WELL = Left(
    [ItemRow("bki_1", "item-1", None, entries=2)],
    [SYNC],
    {"bki_1": ROWS},
    {"bki_1": ROWS},
    {"bki_1": 2},
)


def found(left: Left = WELL, *, released: str = "", **seen: object) -> set[str]:
    storm = Storm(PLAN)
    for each in PLAN.operations:
        storm.seen[each.key] = Seen(operation_ids=["bks_1"])
    first = storm.seen[PLAN.operations[0].key]
    for name, value in seen.items():
        setattr(first, name, value)
    if released:
        storm.released[KIND][released] += 1
    return {one.name for one in findings(PLAN.operations, storm, left)}


def test_a_plan_reads_every_item() -> None:
    asked = {each.asked.body["item"] for each in plan_round(1, {"bank-syncs": 50}).operations}
    assert asked == set(range(ITEMS))


def test_nothing_is_found_where_all_is_well_and_one_sync_answers_several() -> None:
    assert found(released="cursor_repeated") == set()


def test_a_transaction_that_is_missing_surplus_or_another_is_found() -> None:
    for rows in ({"t1": ROWS["t1"]}, ROWS | {"t4": (1, False)}, ROWS | {"t1": (1, False)}):
        assert found(replace(WELL, ours={"bki_1": rows})) == {"provider_differs"}


def test_an_entry_that_is_missing_or_twice_is_found() -> None:
    for entries in (1, 3):
        item = replace(WELL.items[0], entries=entries)
        assert found(replace(WELL, items=[item])) == {"ledger_differs"}


def test_what_is_left_over_is_found() -> None:
    claimed = replace(WELL.items[0], syncing="bks_1")
    assert found(replace(WELL, items=[claimed])) == {"claim_differs"}
    assert found(replace(WELL, syncs=[replace(SYNC, has_pages=True)])) == {"left_open"}
    parked = replace(SYNC, status="needs_attention", is_finished=False)
    assert found(replace(WELL, syncs=[parked])) == {"not_ended"}
    assert found(released="internal_error") == {"parked_without_reason"}


def test_what_a_caller_was_told_and_is_not_so_is_found() -> None:
    assert found(operation_ids=[]) == {"not_answered"}
    assert found(operation_ids=["bks_2"]) == {"lost"}
    assert found(operation_ids=["bks_1", "bks_1", "bks_2"]) == {"answers_differ", "lost"}
    assert found(refusals=["item_ended"]) == {"refused"}
    assert found(cancellation="accepted") == {"cancellation_lost"}
    assert found(cancellation="http_500") == {"cancellation_failed"}


def test_nothing_happens_to_what_was_removed_at_the_same_moment() -> None:
    part: Any = SimpleNamespace(storm=Storm(PLAN))
    client: Any = None
    standing: list[Mapping[str, Any]] = [
        {"transaction_id": f"t{number}", "pending": number > 50} for number in range(60)
    ]
    gone: set[str] = set()
    people = _People(part, client)
    for change in (people._change(standing) for _ in range(200)):
        assert change["transaction_id"] not in gone
        if change["kind"] in ("removed", "post"):
            gone.add(change["transaction_id"])
    assert len(gone) > 20
