"""`verify`: what must hold of all operations, and between a provider's own books and ours.

A kind declares its invariants as queries, and its provider's books as what they list and what must
hold of it; reading them, page by page, and comparing them is written here once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import TypeAdapter

from perdure.capabilities import attribute, installed
from perdure.capability.assembly import kinds_with_lanes
from perdure.core.errors import PerdureError, ProviderUnavailable
from perdure.ledger import verify as ledger
from perdure.ledger.verify import QUESTION_S, Question, Violation
from perdure.operations import verify as operations
from perdure.operations.verify import check
from perdure.providers.http import ProviderHttp
from perdure.providers.http_client import open_http_client
from perdure.storage.pool import Connection, Pool, whole_tables

_PAGE: Final = 1000
_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 4
"""How many questions are asked at the same time, each on a connection."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books(Generic[Entry]):
    """What a provider lists of all that it ever did, and what must hold between that and ours.

    The statements run in one transaction, whose `now()` is before the list is read: what was not
    finished by then may stand either way, and is left out by the invariants, as is what has a
    refund that was not. The temporary table `compared (name)` has the names of what is compared.

    Args:
        name: What is listed by; `verify --<name> URL`.
        path: Where it is listed, in pages.
        entry: The type of one entry.
        table: The table that takes the entries, and how it is made: it is temporary.
        record: An entry as the table takes it.
        then: What is made of it before the invariants are looked at.
        invariants: Each one's name, and the query that finds what breaks it.
        has_several: There are several such providers, each with a name: `--<name> WHICH=URL`.
    """

    name: str
    path: str
    entry: type[Entry]
    table: tuple[str, str]
    record: Callable[[Entry], tuple[Any, ...]]
    then: Sequence[str]
    invariants: Mapping[str, str]
    has_several: bool = False

    def name_of(self, which: str) -> str:
        """Return what one of them is called: `gateway`, or `registry-info`."""
        return f"{self.name}-{which}" if which else self.name

    async def compare(
        self,
        connection: Connection,
        lists: Mapping[str, AsyncIterable[Entry]],
        *,
        limit: int = 100,
    ) -> list[Violation]:
        """Return what breaks an invariant, at most `limit` of each.

        Args:
            connection: Without an open transaction.
            lists: What each provider lists, by its name. What is at others is left out.
        """
        table, made = self.table
        async with connection.transaction():
            await connection.execute("CREATE TEMPORARY TABLE compared (name text) ON COMMIT DROP")
            await connection.execute("INSERT INTO compared SELECT unnest($1::text[])", list(lists))
            await connection.execute(made)
            for entries in lists.values():
                async for batch in _batches(entries):
                    records = [self.record(entry) for entry in batch]
                    await connection.copy_records_to_table(table, records=records)
            for statement in self.then:
                await connection.execute(statement, timeout=QUESTION_S)
            found = await check(connection, self.invariants, limit=limit)
            await connection.execute("DROP TABLE compared")  # the next books have one too
            return found


Urls = Mapping[str, Mapping[str, str]]
"""Where books are read, by their name, and then by which provider: `""` where there is one."""


def books() -> dict[str, Books[Any]]:
    """Return the books that `verify` can read, by their names."""
    found = (
        cast("Books[Any]", attribute(place)) for one in installed().values() for place in one.books
    )
    return {each.name: each for each in found}


def invariants(compared: Urls | Sequence[str] = ()) -> list[str]:
    """Return the names of what is checked, with the books of these names."""
    known = books()
    return [
        *ledger.INVARIANTS,
        *operations.INVARIANTS,
        operations.LANES_ARE_DRIVEN_NAME,
        *(name for kind in _kinds() for name in kind),
        *(name for which in compared for name in known[which].invariants),
    ]


@dataclass(frozen=True, slots=True)
class Changes:
    """What was touched since a moment.

    Args:
        since: What transactions that began before it wrote was looked at.
        operation_ids: Those that were touched since.
    """

    since: datetime
    operation_ids: Sequence[str]


def own_questions(changes: Changes | None = None) -> list[Question]:
    """Return what is asked of our own books; None: of all that is in them."""
    touched = changes.operation_ids if changes is not None else None
    return [
        *ledger.questions(changes.since if changes is not None else None),
        *operations.questions(operations.INVARIANTS, touched),
        operations.lanes_are_driven(kinds_with_lanes()),
        *(asked for kind in _kinds() for asked in operations.questions(kind, touched)),
    ]


async def violations(pool: Pool, urls: Urls, changes: Changes | None = None) -> list[Violation]:
    """Return what breaks an invariant: of the ledger, of operations, at the outside systems.

    Args:
        changes: What to look at in our own books; None: at everything.

    Raises:
        ProviderUnavailable: One of these does not tell its books.
    """
    known = books()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(asked: Question) -> list[Violation]:
        async with turns, whole_tables(pool) as connection:
            return await asked.ask(connection, limit=100)

    asking = [asyncio.create_task(ask(asked)) for asked in own_questions(changes)]
    try:
        answers = await asyncio.gather(*asking)
    finally:
        for each in asking:
            each.cancel()  # where one could not be asked
    found = [violation for answer in answers for violation in answer]
    for name, places in urls.items():
        lists = {
            known[name].name_of(which): _listed(known[name], which, url)
            for which, url in places.items()
        }
        async with whole_tables(pool) as connection:
            found += await known[name].compare(connection, lists)
    return found


def _kinds() -> list[Mapping[str, str]]:
    return [attribute(one.invariants) for one in installed().values() if one.invariants]


async def _batches(entries: AsyncIterable[Entry]) -> AsyncIterator[list[Entry]]:
    batch: list[Entry] = []
    async for entry in entries:
        batch.append(entry)
        if len(batch) >= _PAGE:
            yield batch
            batch = []
    yield batch


async def _listed(found: Books[Entry], which: str, url: str) -> AsyncIterator[Entry]:
    """Read all that an outside system lists, page by page."""
    page_type: TypeAdapter[_Page[Entry]] = TypeAdapter(_Page[found.entry])  # type: ignore[name-defined]
    params = {"limit": str(_PAGE)}
    try:
        async with open_http_client(url, timeout_s=_TIMEOUT_S) as client:
            http = ProviderHttp(client, "It", simulated_by=found.name_of(which))
            while True:
                page = await http.read(found.path, page_type, params=params)
                for entry in page.data:
                    yield entry
                if not page.has_more:
                    return
                params["starting_after"] = cast("Any", page.data[-1]).id
    except PerdureError as error:
        whose = f"{found.name} of .{which}" if which else found.name
        raise ProviderUnavailable(
            f"The {whose} at {url} does not tell its books. {error}", param=whose
        ) from error


@dataclass(frozen=True, slots=True)
class _Page(Generic[Entry]):
    data: list[Entry]
    has_more: bool
