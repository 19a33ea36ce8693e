"""Months of the archive as files: out of the database, to be read there, and loaded again.

A file is JSON lines in gzip: the month and how many operations it has, then a line for each.
"""

import asyncio
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.operations.archive import open_month, partition_of
from perdure.storage.pool import Pool, transaction

_FORM: Final = "perdure-archive-1"
_PAGE: Final = 1000
_STATEMENT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the archive.

    Args:
        operations: How many there are; of one in the database as its statistics have it.
        size_bytes: What it takes in the database; None: it was exported.
        file_name: Of the file that it was exported to.
    """

    month: date
    operations: int
    size_bytes: int | None = None
    file_name: str | None = None
    exported_at: datetime | None = None


async def months(pool: Pool) -> list[Month]:
    """Return the months that there are, the oldest first."""
    return [Month(*row) for row in await pool.fetch(_MONTHS)]


async def export_month(pool: Pool, month: date, path: Path) -> Month:
    """Write a month to a file, and take it out of the database once the file reads back whole.

    Raises:
        NotFound: `archive_month_not_found`.
        Conflict: `archive_changed`: an operation was brought back meanwhile; nothing was taken out.
        InvalidInput: `file_exists`.
    """
    async with transaction(pool) as connection:
        if await connection.fetchval("SELECT to_regclass($1)", partition_of(month)) is None:
            raise NotFound(
                f"Nothing of {month:%Y-%m} is in the archive; `perdure archive months` lists them.",
                code="archive_month_not_found",
                param="month",
            )
        count = await connection.fetchval(
            f"SELECT count(*) FROM {partition_of(month)}", timeout=_STATEMENT_S
        )
        with _writing(path, month, count) as file:
            # A cursor: a month may be larger than the memory.
            async for row in connection.cursor(
                f"{_ROWS} FROM {partition_of(month)}", prefetch=_PAGE, timeout=_STATEMENT_S
            ):
                file.write(f"{row[0]}\n".encode())
    digest, read = await asyncio.to_thread(_look_through, path, month)
    async with transaction(pool) as connection:
        await connection.execute(f"LOCK TABLE {partition_of(month)} IN ACCESS EXCLUSIVE MODE")
        now = await connection.fetchval(
            f"SELECT count(*) FROM {partition_of(month)}", timeout=_STATEMENT_S
        )
        if not now == read == count:
            raise Conflict(
                f"{month:%Y-%m} had {count} operations and has {now}; the file has {read}. Nothing"
                " was taken out; export it again.",
                code="archive_changed",
            )
        await connection.execute(_EXPORTED, month, path.name, digest, count)
        await connection.execute(f"DROP TABLE {partition_of(month)}")
    return Month(month, count, file_name=path.name)


async def load_month(pool: Pool, path: Path) -> Month:
    """Have the operations of a file in the archive again.

    Raises:
        InvalidInput: `invalid_archive_file`: it is none, or not whole.
        Conflict: `archive_month_not_exported`; or `archive_file_differs` from what was written.
    """
    month = await asyncio.to_thread(_month_of, path)
    digest, count = await asyncio.to_thread(_look_through, path, month)
    async with transaction(pool) as connection:
        known = await connection.fetchval(_KNOWN, month)
        if known is None:
            raise Conflict(
                f"{month:%Y-%m} was not exported from this database, or is loaded already.",
                code="archive_month_not_exported",
            )
        if known != digest:
            raise Conflict(
                f"{path.name} is not the file that {month:%Y-%m} was exported to.",
                code="archive_file_differs",
            )
        await open_month(connection, month)
        entries = _entries(path)
        while page := list(islice(entries, _PAGE)):
            await connection.execute(_LOAD, month, page, timeout=_STATEMENT_S)
        await connection.execute("DELETE FROM archive_exports WHERE month = $1", month)
    return Month(month, count)


def read_operation(path: Path, operation_id: str) -> dict[str, Any]:
    """Return what a file has of an operation.

    Raises:
        NotFound: `operation_not_found`.
        InvalidInput: `invalid_archive_file`.
    """
    for entry in _entries(path):
        if entry["operation_id"] == operation_id:
            return entry
    raise NotFound(
        f"{path.name} has nothing of {operation_id}.", code="operation_not_found", param="id"
    )


@contextmanager
def _writing(path: Path, month: date, count: int) -> Iterator[gzip.GzipFile]:
    """Open a file under another name, which it leaves when it is whole and on the disk."""
    if path.exists():
        raise InvalidInput(
            f"{path} is there already; name another.", code="file_exists", param="file"
        )
    begun = path.with_name(f".{path.name}.begun")
    with begun.open("wb") as raw:
        # Without a time: the same month is the same bytes.
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
            head = {"form": _FORM, "month": f"{month:%Y-%m}", "operations": count}
            file.write(f"{json.dumps(head)}\n".encode())
            yield file
        raw.flush()
        os.fsync(raw.fileno())
    begun.rename(path)


def _look_through(path: Path, month: date) -> tuple[bytes, int]:
    """Return the digest of a file, and how many operations it has."""
    count = sum(1 for _ in _entries(path))
    said = _head(path)
    if (said["month"], said["operations"]) != (f"{month:%Y-%m}", count):
        raise _no_archive(path, f"it says {said['operations']} operations, and has {count}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), count


def _month_of(path: Path) -> date:
    return date.fromisoformat(f"{_head(path)['month']}-01")


def _head(path: Path) -> dict[str, Any]:
    head = next(_lines(path), {})
    if head.get("form") != _FORM:
        raise _no_archive(path, "it does not begin as one")
    return head


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    return islice(_lines(path), 1, None)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise _no_archive(path, str(error)) from None


def _no_archive(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"{path.name} is no archive of a month, or not whole: {why}.",
        code="invalid_archive_file",
        param="file",
    )


_ROWS: Final = """
SELECT jsonb_build_object('operation_id', operation_id, 'records', records::jsonb)::text
"""

# Those in the database by what they take there, their number as of the last ANALYZE.
_MONTHS: Final = """
SELECT month, greatest(reltuples, 0)::bigint AS operations, pg_total_relation_size(oid),
    NULL AS file_name, NULL::timestamptz AS exported_at
FROM pg_class CROSS JOIN LATERAL (
    SELECT to_date(right(relname, 7), 'YYYY_MM') AS month) AS of_name
WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'archived_operations'::regclass)
UNION ALL
SELECT month, operations, NULL, file_name, exported_at FROM archive_exports
ORDER BY month
"""

_EXPORTED: Final = """
INSERT INTO archive_exports (month, file_name, sha256, operations) VALUES ($1, $2, $3, $4)
"""

_KNOWN: Final = "SELECT sha256 FROM archive_exports WHERE month = $1 FOR UPDATE"

_LOAD: Final = """
INSERT INTO archived_operations (operation_id, month, records)
SELECT entry ->> 'operation_id', $1, (entry -> 'records')::text::json
FROM jsonb_array_elements($2) AS entry
"""
