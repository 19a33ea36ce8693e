"""Who is told of a reconciliation: compliance, by mail, with the report in it."""

from typing import Final

from perdure.notifications.contracts import Channel, Message
from perdure.reconciliation.report.rows import rows_of
from perdure.reconciliation.report.summary import Summary
from perdure.reconciliation.report.written import as_html, as_text
from perdure.storage.pool import Connection

AUDIENCE: Final = "compliance"
_BREAKS_MAX: Final = 500
"""In a mail; the whole report is the API's."""


async def messages_of(connection: Connection, summary: Summary, *, to: str | None) -> list[Message]:
    """Return what is owed; nothing, where nobody is to be told."""
    if to is None:
        return []
    rows = [row async for row in rows_of(connection, summary.operation_id, limit=_BREAKS_MAX)]
    count = summary.breaks_in_all
    told = f"{count:,} break{'' if count == 1 else 's'}" if count else "all agrees"
    return [
        Message(
            AUDIENCE,
            Channel.EMAIL,
            to,
            f"Reconciliation of {summary.day}: {told}",
            as_text(summary),
            as_html(summary, rows),
        )
    ]
