"""`verify`: what must hold of all operations, and between a provider's own books and ours.

A kind declares its invariants as queries, and what must hold of its provider's books. These are
read through the class that serves the provider, if it tells them (`perdure.providers.books`).
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar, cast

from perdure.capabilities import attribute, installed
from perdure.capability.assembly import kinds_with_lanes
from perdure.core.errors import PerdureError, ProviderUnavailable
from perdure.ledger import verify as ledger
from perdure.ledger.chart import SystemAccount
from perdure.ledger.verify import QUESTION_S, BalancesElsewhere, Question, Violation
from perdure.operations import verify as operations
from perdure.operations.verify import check
from perdure.providers.choice import Role, Use
from perdure.providers.host import ProviderHost
from perdure.storage.pool import Connection, Pool, whole_tables

_PAGE: Final = 1000
_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 4
"""How many questions are asked at the same time, each on a connection."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Moved:
    """What an entry moved on the customer's account, as its provider has it now.

    Args:
        id: The provider's own.
        reference: Ours.
        amount_minor: Negative: it was taken from the account; what was given back is off already.
    """

    id: str
    reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Reconciled(Generic[Entry]):
    """How books are a statement that accounts are reconciled with.

    Args:
        prefix: What the ids of the operations begin with that they are about.
        kept_on: Whose account an entry is looked for on that is of no operation.
        moved: Returns what an entry moved; None: it is not known yet, or it moved nothing ever.
    """

    prefix: str
    kept_on: SystemAccount
    moved: Callable[[Entry], Moved | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books(Generic[Entry]):
    """What a provider tells of all that it ever did, and what must hold between that and ours.

    The statements run in one transaction, whose `now()` is before the books are read: what was not
    finished by then may stand either way, and is left out by the invariants, as is what has a
    refund that was not. The temporary table `compared (name, since)` has the names of whose books
    are compared, and from which operations on: what began before may not be in them.

    Args:
        role: What the provider does for us.
        table: The table that takes the entries, and how it is made: it is temporary.
        record: An entry, of the type that classes of this role tell, as the table takes it.
        then: What is made of it before the invariants are looked at.
        invariants: Each one's name, and the query that finds what breaks it.
        has_several: There are several such providers, each with a name: `--<name> WHICH=URL`.
        reconciled: How a customer's account is compared with them; None: it is not.
    """

    role: Role[Any]
    table: tuple[str, str]
    record: Callable[[Entry], tuple[Any, ...]]
    then: Sequence[str]
    invariants: Mapping[str, str]
    has_several: bool = False
    reconciled: Reconciled[Entry] | None = None

    @property
    def name(self) -> str:
        """What they are called: `verify --<name> URL`."""
        return self.role.name

    async def compare(
        self,
        connection: Connection,
        lists: Mapping[str, AsyncIterable[Entry]],
        *,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Violation]:
        """Return what breaks an invariant, at most `limit` of each.

        Args:
            connection: Without an open transaction.
            lists: What each provider tells, by its name. What is at others is left out.
            since: They begin with what was asked for then; None: they have everything.
        """
        table, made = self.table
        async with connection.transaction():
            await connection.execute(_COMPARED)
            await connection.execute(_COMPARE, list(lists), since)
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


_COMPARED: Final = """
CREATE TEMPORARY TABLE compared (name text, since timestamptz) ON COMMIT DROP
"""
_COMPARE: Final = """
INSERT INTO compared SELECT unnest($1::text[]), coalesce($2::timestamptz, '-infinity')
"""

BEGAN_SINCE: Final = "o.created_at >= (SELECT min(since) FROM compared)"
"""Whether an operation `o` has to be in the books, as far back as they are read."""

Providers = Mapping[str, Mapping[str, Use[Any]]]
"""Whose books are read, by the books' name, and then by which it is: `""` where there is one."""


def books() -> dict[str, Books[Any]]:
    """Return the books that `verify` can read, by their names."""
    found = (
        cast("Books[Any]", attribute(place)) for one in installed().values() for place in one.books
    )
    return {each.name: each for each in found}


def tells_books(use: Use[Any]) -> bool:
    """Whether the class that serves a provider tells its books.

    Raises:
        ConfigurationError: There is no such class.
    """
    return callable(getattr(use.load(), "books", None))


def invariants(compared: Providers | Sequence[str] = ()) -> list[str]:
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


async def violations(
    pool: Pool,
    compared: Providers,
    changes: Changes | None = None,
    *,
    books_since: datetime | None = None,
    balances: BalancesElsewhere | None = None,
    limit: int = 100,
) -> list[Violation]:
    """Return what breaks an invariant: of the ledger, of operations, at the outside systems.

    Args:
        compared: Whose books are compared with ours.
        changes: What to look at in our own books; None: at everything.
        books_since: Compare operations that began since then; None: all.
        balances: Shows the ledger's balances, where they are not in our database.
        limit: The most of each kind.

    Raises:
        ConfigurationError: One of these cannot be asked as the settings have it.
        ProviderUnavailable: One of these does not tell its books.
    """
    known = books()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(asked: Question) -> list[Violation]:
        async with turns, whole_tables(pool) as connection:
            return await asked.ask(connection, limit=limit)

    async def ask_about(asked: list[Question], shown: BalancesElsewhere) -> list[Violation]:
        async with turns, whole_tables(pool) as connection:
            return await ledger.ask_elsewhere(connection, asked, shown, limit=limit)

    questions = own_questions(changes)
    elsewhere = [each for each in questions if balances and each.is_about_balances]
    asking = [asyncio.create_task(ask(each)) for each in questions if each not in elsewhere]
    if balances and elsewhere:
        asking.append(asyncio.create_task(ask_about(elsewhere, balances)))
    try:
        answers = await asyncio.gather(*asking)
    finally:
        for each in asking:
            each.cancel()  # where one could not be asked
    found = [violation for answer in answers for violation in answer]
    for name, uses in compared.items():
        lists = {use.name: _told(use, books_since) for use in uses.values()}
        async with whole_tables(pool) as connection:
            found += await known[name].compare(connection, lists, since=books_since, limit=limit)
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


async def _told(use: Use[Any], since: datetime | None) -> AsyncIterator[Any]:
    """Read the books of a provider through its class."""
    async with ProviderHost(timeout_s=_TIMEOUT_S, tld=use.tld) as host:
        provider = use.make(host)
        try:
            async for entry in provider.books(since):
                yield entry
        except PerdureError as error:
            whose = f"{use.role.name} of .{use.tld}" if use.tld else use.role.name
            raise ProviderUnavailable(
                f"The {whose} at {host.address} does not tell its books. {error}", param=whose
            ) from error
