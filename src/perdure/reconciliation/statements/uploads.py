"""Files that come in parts, as a request takes no more: kept until they are loaded, for a day."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import BinaryIO, Final

from perdure.core.errors import Conflict, NotFound
from perdure.core.ids import new_id
from perdure.reconciliation.contracts import UPLOAD_ID_PREFIX
from perdure.storage.pool import Connection, Pool

KEPT_FOR: Final = timedelta(days=1)
PARTS_MAX: Final = 5_000
_IN_MEMORY_BYTES: Final = 4 << 20


async def put(
    connection: Connection | Pool, upload_id: str | None, number: int, content: bytes
) -> str:
    """Keep a part, counted from 1; the same part again is no other. Returns the upload's id.

    Args:
        upload_id: None: it begins.

    Raises:
        Conflict: `upload_part_differs`: the part is there already, and says something else.
    """
    found = upload_id or new_id(UPLOAD_ID_PREFIX)
    await connection.execute(
        "INSERT INTO statement_uploads (id, number, content) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING",
        found,
        number,
        content,
    )
    kept = await connection.fetchval(
        "SELECT content FROM statement_uploads WHERE id = $1 AND number = $2", found, number
    )
    if kept != content:
        raise Conflict(
            f"Part {number} of {found} is there already, and says something else.",
            code="upload_part_differs",
            param="number",
        )
    return found


@asynccontextmanager
async def opened(connection: Connection, upload_id: str) -> AsyncIterator[BinaryIO]:
    """Open an upload as one file, on the disk where it is large.

    Raises:
        NotFound: `upload_not_found`: there is none of this id, or a part of it is missing.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        number = 0
        while True:
            content = await connection.fetchval(
                "SELECT content FROM statement_uploads WHERE id = $1 AND number = $2",
                upload_id,
                number + 1,
            )
            if content is None:
                break
            number += 1
            file.write(content)
        later = await connection.fetchval(
            "SELECT max(number) FROM statement_uploads WHERE id = $1", upload_id
        )
        if later is None or later != number:
            told = f"part {number + 1} of it is missing" if later else "there is none, or no more"
            raise NotFound(
                f"Upload {upload_id}: {told}.", code="upload_not_found", param="upload_id"
            )
        file.seek(0)
        yield file  # type: ignore[misc]


async def forget(connection: Connection, upload_id: str) -> None:
    """Drop an upload that is loaded."""
    await connection.execute("DELETE FROM statement_uploads WHERE id = $1", upload_id)


async def forget_old(pool: Pool) -> None:
    """Drop what nobody has loaded in time."""
    await pool.execute(
        "DELETE FROM statement_uploads WHERE created_at < now() - $1::interval", KEPT_FOR
    )
