"""Rows' outcomes are followed to their ends and reported, page by page."""

import asyncio
import csv
import re
from contextlib import closing
from pathlib import Path

import pytest

from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.payments.import_outcomes import (
    REJECTED,
    REPORT_COLUMNS,
    OutcomeFollower,
    OutcomeStore,
    RowOutcome,
    Statuses,
    open_outcomes,
    write_report,
)
from perdure.payments.import_progress import ImportProgress
from perdure.storage.pool import transaction

from .conftest import House
from .shell import ServedApi
from .test_importing import importer, take_in


class Asked:
    """Knows payments, and how many it was asked after at a time."""

    def __init__(self, statuses: Statuses) -> None:
        self.statuses = statuses
        self.counts: list[int] = []

    async def __call__(self, payment_ids: list[str]) -> Statuses:
        self.counts.append(len(payment_ids))
        return {name: self.statuses[name] for name in payment_ids}


def accepted(line: int) -> RowOutcome:
    return RowOutcome(line, f"ref-{line}", f"pay_{line}", Status.PENDING)


def names_in(folder: Path) -> list[str]:
    return [found.name for found in folder.iterdir()]


async def finish(house: House, payment_id: str | None, status: Status, code: str = "") -> None:
    async with transaction(house.pool) as connection:
        operation = await store.lock(connection, payment_id or "")
        failure = Failure(code, "It did not work.") if code else None
        await store.move(connection, operation, status, action="ended", failure=failure)


async def reported(store_: OutcomeStore, follower: OutcomeFollower, path: Path) -> list[list[str]]:
    counted: list[RowOutcome] = []
    await write_report(store_, follower, path, counted.append)
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == REPORT_COLUMNS
    assert [str(outcome.line) for outcome in counted] == [row[0] for row in rows]
    return rows


async def test_outcomes_are_waited_for_and_reported(
    house: House, api: ServedApi, tmp_path: Path
) -> None:
    taken = await take_in(house, api, "ref-1,100", "ref-2,100", "bad", "ref-3,100", "ref-1,100")
    with open_outcomes() as outcomes, closing(importer(api)) as asking:
        outcomes.add(taken)
        follower = OutcomeFollower(outcomes, asking.statuses)
        following = asyncio.create_task(follower.follow())
        await finish(house, taken[0].payment_id, Status.SUCCEEDED)
        await finish(house, taken[1].payment_id, Status.FAILED, "card_declined")
        await asyncio.sleep(0)
        assert not following.done()
        await finish(house, taken[3].payment_id, Status.NEEDS_ATTENTION, "stuck")
        await asyncio.wait_for(following, 60)
        assert outcomes.settled == {
            "succeeded": 2,
            "failed": 1,
            "rejected": 1,
            "needs_attention": 1,
        }
        rows = await reported(outcomes, follower, tmp_path / "file.outcomes.csv")
    assert [row[3] for row in rows] == [
        "succeeded",
        "failed",
        "rejected",
        "needs_attention",
        "succeeded",
    ]
    assert rows[1][2] == taken[1].payment_id
    assert rows[1][4:] == ["card_declined", "It did not work."]
    assert names_in(tmp_path) == ["file.outcomes.csv"]


async def test_what_needed_attention_is_reported_as_it_stands_at_the_end(tmp_path: Path) -> None:
    asked = Asked({"pay_2": (Status.NEEDS_ATTENTION, {"code": "stuck", "message": "Help."})})
    with open_outcomes() as outcomes:
        outcomes.add([accepted(2)])
        follower = OutcomeFollower(outcomes, asked)
        await asyncio.wait_for(follower.follow(), 60)
        asked.statuses["pay_2"] = (Status.SUCCEEDED, None)
        ((*_, status, code, message),) = await reported(outcomes, follower, tmp_path / "report")
    assert (status, code, message) == ("succeeded", "", "")


async def test_a_long_file_is_asked_after_page_by_page(tmp_path: Path) -> None:
    asked = Asked({f"pay_{line}": (Status.SUCCEEDED, None) for line in range(2, 2503)})
    with open_outcomes() as outcomes:
        for first in range(2, 2503, 500):
            outcomes.add([accepted(line) for line in range(first, min(first + 500, 2503))])
        follower = OutcomeFollower(outcomes, asked)
        await asyncio.wait_for(follower.follow(), 60)
        assert asked.counts == [500, 500, 500, 500, 500, 1]
        rows = await reported(outcomes, follower, tmp_path / "report")
        assert asked.counts == [500, 500, 500, 500, 500, 1], "what ended is not asked after again"
    assert [int(row[0]) for row in rows] == list(range(2, 2503))


async def test_rows_behind_what_has_not_begun_are_not_asked_after_yet() -> None:
    asked = Asked({f"pay_{line}": (Status.PENDING, None) for line in range(2, 4002)})
    asked.statuses["pay_2"] = (Status.WAITING, None)
    with open_outcomes() as outcomes:
        outcomes.add([accepted(line) for line in range(2, 4002)])
        follower = OutcomeFollower(outcomes, asked)
        await follower.look_if_due()
        assert asked.counts == [500, 500]
        await follower.look_if_due()
        assert asked.counts == [500, 500], "the next look is not due yet"


async def test_text_of_any_kind_comes_back_as_it_was(tmp_path: Path) -> None:
    message = 'a "quoted",\nbroken line\u2028'
    bad = RowOutcome(2, 'réf,"1', None, REJECTED, "invalid", message, "reference")
    with open_outcomes() as outcomes:
        outcomes.add([bad])
        follower = OutcomeFollower(outcomes, Asked({}))
        (row,) = await reported(outcomes, follower, tmp_path / "report")
    assert row == ["2", 'réf,"1', "", REJECTED, "invalid", f"reference: {message}"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d"])
async def test_a_spreadsheet_runs_no_cell_of_a_report(tmp_path: Path, start: str) -> None:
    formula = f"{start}HYPERLINK(A1)"
    row = RowOutcome(2, formula, "pay_1", "failed", formula, formula)
    with open_outcomes() as outcomes:
        outcomes.add([row])
        ((line, *cells),) = await reported(
            outcomes, OutcomeFollower(outcomes, Asked({})), tmp_path / "report"
        )
    harmless = f"'{formula}"
    assert (line, cells) == ("2", [harmless, "pay_1", "failed", harmless, harmless])


async def test_a_report_that_is_cut_off_leaves_the_old_one(tmp_path: Path) -> None:
    report = tmp_path / "file.outcomes.csv"
    report.write_text("old")

    async def broken(_: list[str]) -> Statuses:
        raise OSError("no space left")

    with open_outcomes() as outcomes:
        outcomes.add([accepted(2)])
        with pytest.raises(OSError, match="no space"):
            await write_report(outcomes, OutcomeFollower(outcomes, broken), report, lambda _: None)
    assert report.read_text() == "old"
    assert names_in(tmp_path) == [report.name]


async def test_progress_tells_what_the_outcomes_tell() -> None:
    with open_outcomes() as outcomes:
        outcomes.add([accepted(line) for line in range(2, 101)])
        outcomes.add([RowOutcome(101, "", None, REJECTED, "invalid_csv", "It is not CSV.")])
        asked = Asked({f"pay_{line}": (Status.SUCCEEDED, None) for line in range(2, 101)})
        progress = ImportProgress(outcomes, bytes_total=1000, waits=True, bytes_read=250)
        assert progress.describe(33.0) == (
            "100 rows read (25%), 99 accepted, 1 rejected, 0 ended, 33 rows/s, about 12 s left"
        )
        asked.statuses |= {"pay_2": (Status.NEEDS_ATTENTION, None), "pay_3": ("waiting", None)}
        await OutcomeFollower(outcomes, asked).look_if_due()
        progress.all_read = True
        assert progress.describe(0.5) == (
            "100 rows read, 99 accepted, 1 rejected, 97 ended, 1 need attention,"
            " 0.5 rows/s, about 2 s left"
        )
        assert not re.search("left", progress.describe(0.0)), "no rate tells no time"
