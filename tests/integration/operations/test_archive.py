"""What ended long ago goes out of the way, is shown as before, and comes back to whoever acts."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from bench.years_of_rows import fill

from perdure.capability.verification import verify
from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.operations import archive_files, reporting, store
from perdure.operations.archive import RECORDS, Archive
from perdure.operations.model import StepAttempt
from perdure.operations.reporting import TimelineCursor
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

OPERATIONS = 300
DAYS = timedelta(days=100)


@pytest.fixture
async def full(postgres_url: str) -> AsyncIterator[Pool]:
    """A year of operations, of which half are archived."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=4) as pool:
        await fill(pool, OPERATIONS)
        yield pool


async def rows(pool: Pool, operation_id: str) -> dict[str, list[Any]]:
    return {
        table: sorted(
            tuple(row.values())
            for row in await pool.fetch(
                f"SELECT to_jsonb(found)::text FROM {table} AS found WHERE operation_id = $1",
                operation_id,
            )
        )
        for table in RECORDS
    }


async def shown(pool: Pool, operation_id: str) -> list[Any]:
    """All that anybody is shown of an operation."""
    first = await reporting.timeline(pool, operation_id, limit=2)
    assert len(first) == 2
    last = first[-1]
    after = TimelineCursor(isinstance(last, StepAttempt), last.id)
    return [
        await reporting.report(pool, operation_id),
        await reporting.trail(pool, operation_id),
        await reporting.step_attempts(pool, operation_id),
        first,
        await reporting.timeline(pool, operation_id, after=after, limit=100),
    ]


async def archive_all(pool: Pool) -> list[str]:
    """Archive what ended more than `DAYS` ago; returns which those are."""
    while await Archive(pool, DAYS).look():
        pass
    found = await pool.fetch("SELECT operation_id FROM archived_operations ORDER BY 1")
    return [row["operation_id"] for row in found]


async def test_what_ended_long_ago_is_archived_and_shown_as_before_r11(full: Pool) -> None:
    due = await full.fetch(
        "SELECT id FROM operations WHERE finished_at < now() - $1::interval ORDER BY id", DAYS
    )
    told: str = await full.fetchval(
        "SELECT operation_id FROM notifications WHERE created_at < now() - 2 * $1::interval", DAYS
    )
    before = {row["id"]: await shown(full, row["id"]) for row in due[::20]}
    whole = await rows(full, told)
    assert all(whole.values())
    assert await archive_all(full) == [row["id"] for row in due]
    assert OPERATIONS / 4 < len(due) < OPERATIONS
    assert not any((await rows(full, told)).values())
    assert {found: await shown(full, found) for found in before} == before
    # Whoever acts on it locks it, and finds everything where it was.
    async with transaction(full) as connection:
        await store.lock(connection, told)
    assert await rows(full, told) == whole
    # It was touched, so it stays for a while.
    assert told not in await archive_all(full)
    assert (await verify(full, {}, is_whole=True)).violations == []
    assert (await verify(full, {})).violations == []


async def test_nothing_is_archived_that_is_young_open_or_still_owed(full: Pool) -> None:
    ended = await full.fetchval(
        "SELECT id FROM operations WHERE finished_at < now() - $1::interval LIMIT 1", DAYS
    )
    await full.execute("UPDATE notifications SET state = 'pending' WHERE operation_id = $1", ended)
    archived = await archive_all(full)
    assert ended not in archived
    left = await full.fetchval(
        "SELECT count(*) FROM operations WHERE id = ANY($2)"
        " AND (finished_at IS NULL OR finished_at > now() - $1::interval)",
        DAYS,
        archived,
    )
    assert left == 0
    assert await Archive(full, None).look() == 0
    # It is looked at again as long after.
    await full.execute("UPDATE notifications SET state = 'sent', ended_at = now()")
    assert ended not in await archive_all(full)
    await full.execute("UPDATE archive_later SET since = since - $1::interval", DAYS)
    assert ended in await archive_all(full)


async def test_a_trail_leaves_for_the_archive_alone(full: Pool) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await full.execute("DELETE FROM operation_trail WHERE id = 1")
    [first, *_] = await archive_all(full)
    async with transaction(full) as connection:
        await store.lock(connection, first)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await full.execute("DELETE FROM operation_trail WHERE operation_id = $1", first)


async def test_a_month_goes_to_a_file_and_comes_back_r11(full: Pool, tmp_path: Path) -> None:
    archived = await archive_all(full)
    month: date = await full.fetchval("SELECT min(month) FROM archived_operations")
    operation_id: str = await full.fetchval(
        "SELECT min(operation_id) FROM archived_operations WHERE month = $1", month
    )
    before = await shown(full, operation_id)
    path = tmp_path / "month.jsonl.gz"
    done = await archive_files.export_month(full, month, path)
    assert 0 < done.operations < len(archived)
    # The operation is there, its story is in the file.
    assert (await store.get(full, operation_id)).is_finished
    assert await reporting.trail(full, operation_id) == []
    kept = archive_files.read_operation(path, operation_id)["records"]
    assert [entry["id"] for entry in kept["operation_trail"]] == [entry.id for entry in before[1]]
    async with transaction(full) as connection:
        with pytest.raises(Conflict, match="load") as refused:
            await store.lock(connection, operation_id)
    assert refused.value.code == "operation_exported"
    listed = {each.month: each for each in await archive_files.months(full)}
    assert (listed[month].file_name, listed[month].size_bytes) == ("month.jsonl.gz", None)
    assert len(listed) > 1
    # What is not that file is not loaded.
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="not whole"):
        await archive_files.load_month(full, other)
    assert (await archive_files.load_month(full, path)).operations == done.operations
    assert await shown(full, operation_id) == before
    with pytest.raises(Conflict, match="loaded already"):
        await archive_files.load_month(full, path)
    assert {each.file_name for each in await archive_files.months(full)} == {None}


async def test_what_cannot_be_exported_is_said_and_changes_nothing(
    full: Pool, tmp_path: Path
) -> None:
    await archive_all(full)
    path = tmp_path / "there.gz"
    path.write_text("mine")
    with pytest.raises(NotFound, match="1999-01"):
        await archive_files.export_month(full, date(1999, 1, 1), tmp_path / "new.gz")
    month = await full.fetchval("SELECT min(month) FROM archived_operations")
    with pytest.raises(InvalidInput, match="already"):
        await archive_files.export_month(full, month, path)
    assert path.read_text() == "mine"
    with pytest.raises(InvalidInput, match="no archive"):
        archive_files.read_operation(path, "tfr_1")
    assert month in {each.month for each in await archive_files.months(full) if each.size_bytes}
