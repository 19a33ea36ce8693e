"""A book's journal, from which the same book comes as from its rows."""

from perdure.storage.pool import Pool
from perdure.trades.book.book import Book
from perdure.trades.book.journal import JournalEntry, replay


async def go_on(pool: Pool, asset: str, book: Book) -> None:
    """Apply to an asset's book what its journal says came next.

    Raises:
        ReplayDiffers: A command does not lead to what it led to when it was stored.
    """
    rows = await pool.fetch(
        "SELECT sequence, command, events FROM order_journal"
        " WHERE asset = $1 AND sequence > $2 ORDER BY sequence",
        asset,
        book.sequence,
    )
    replay(book, [JournalEntry(*row.values()) for row in rows])
