"""What the ledger is measured doing: transfers from one account or from many, alone or together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.store import LedgerStore
from perdure.ledger.verify import Violation, ask_elsewhere, questions, violations
from perdure.storage.pool import Connection, Pool, transaction, whole_tables

MANY_ACCOUNTS: Final = 1_000
FUNDS_MINOR: Final = 10**12
"""No wallet runs dry."""
FUNDED_TOGETHER: Final = 250


@dataclass(frozen=True, slots=True)
class Store:
    """A ledger that is measured."""

    pool: Pool
    opened: OpenedLedger

    @property
    def ledger(self) -> LedgerStore[Connection]:
        """What is written through."""
        return self.opened.store


Write = Callable[[Store, list[NewTransfer]], Awaitable[None]]


class WrongBooksError(Exception):
    """The ledger does not have what was written to it: the numbers are worth nothing."""


@dataclass(frozen=True, slots=True)
class Books:
    """The accounts: wallets that may not go negative, and the one that all of them pay into."""

    wallets: tuple[str, ...]
    clearing: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way to write transfers.

    Args:
        write: Writes a list of them, durably.
        in_flight: How many lists are under way at once.
        batch: How many transfers a list has.
    """

    name: str
    write: Write
    in_flight: int = 1
    batch: int = 1


async def _post(store: Store, new: list[NewTransfer]) -> None:
    for each in new:
        async with transaction(store.pool) as session:
            await store.ledger.post(session, each)


async def _hold_and_post(store: Store, new: list[NewTransfer]) -> None:
    for each in new:
        async with transaction(store.pool) as session:
            await store.ledger.hold(session, each)
        async with transaction(store.pool) as session:
            await store.ledger.post_hold(session, each.id, new_id(TRANSFER))


async def _hold_and_post_many(store: Store, new: list[NewTransfer]) -> None:
    async with transaction(store.pool) as session:
        held = await store.ledger.hold_many(session, new)
    async with transaction(store.pool) as session:
        posts = [(hold_id, new_id(TRANSFER)) for hold_id in held]
        posted = await store.ledger.post_holds(session, posts)
    if len(posted) != len(new):
        raise WrongBooksError(f"{len(new) - len(posted)} of {len(new)} transfers were left out")


WAYS: Final = (
    Way("post, one by one", _post),
    Way("post, 50 in flight", _post, in_flight=50),
    Way("hold and post, one by one", _hold_and_post),
    Way("hold and post, 50 in flight", _hold_and_post, in_flight=50),
    Way("hold and post, batches of 200", _hold_and_post_many, batch=200),
    Way(
        "hold and post, batches of 200, 2 in flight",
        _hold_and_post_many,
        in_flight=2,
        batch=200,
    ),
)


async def open_books(store: Store) -> Books:
    """Open the accounts, and put money into every wallet."""
    async with transaction(store.pool) as session:
        bank = await _open_account(store, session, AccountKind.ASSET, may_go_negative=True)
        clearing = await _open_account(store, session, AccountKind.LIABILITY, may_go_negative=True)
        wallets = [
            await _open_account(store, session, AccountKind.LIABILITY) for _ in range(MANY_ACCOUNTS)
        ]
    for first in range(0, MANY_ACCOUNTS, FUNDED_TOGETHER):
        part = wallets[first : first + FUNDED_TOGETHER]
        await _hold_and_post_many(store, [_transfer(bank, each, FUNDS_MINOR) for each in part])
    await store.pool.execute("ANALYZE")
    return Books(tuple(wallets), clearing)


async def _open_account(
    store: Store,
    session: Connection,
    kind: AccountKind,
    *,
    may_go_negative: bool = False,
) -> str:
    new = NewAccount(
        id=new_id(ACCOUNT),
        name="An account",
        kind=kind,
        currency="USD",
        may_go_negative=may_go_negative,
    )
    return (await store.ledger.open_account(session, new)).account.id


def _transfer(debit: str, credit: str, amount_minor: int) -> NewTransfer:
    return NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_minor=amount_minor,
        currency="USD",
        code="payment",
    )


async def measure(way: Way, accounts: int, store: Store, books: Books, *, seconds: float) -> float:
    """Write transfers for so long, check the ledger, and return how many a second it was.

    Args:
        way: How they are written.
        accounts: How many wallets they leave; one is the hot account.
        store: Where the books are.
        books: The accounts.
        seconds: For how long new transfers are begun; those under way are then finished.

    Raises:
        WrongBooksError: The ledger has something else than was written, or an invariant is broken.
    """
    wallets = books.wallets[:accounts]
    random = Random(accounts)  # noqa: S311 - no secret
    before = await _collected(store, books)
    began_s = time.perf_counter()
    written = 0

    async def one_after_another() -> None:
        nonlocal written
        while time.perf_counter() - began_s < seconds:
            new = [_transfer(random.choice(wallets), books.clearing, 1) for _ in range(way.batch)]
            await way.write(store, new)
            written += len(new)

    async with asyncio.TaskGroup() as clients:
        for _ in range(way.in_flight):
            clients.create_task(one_after_another())
    took_s = time.perf_counter() - began_s
    found = await _collected(store, books) - before
    if found != written:
        raise WrongBooksError(f"{way.name}: {written} transfers were made, {found} are there")
    if broken := await _broken(store):
        raise WrongBooksError(f"{way.name}: {broken[0]}")
    return written / took_s


async def _collected(store: Store, books: Books) -> int:
    """Return what was paid so far, one minor unit for each transfer."""
    async with transaction(store.pool) as session:
        return (await store.ledger.balance(session, books.clearing)).posted_minor


async def _broken(store: Store) -> list[Violation]:
    if store.opened.balances is None:
        return await violations(store.pool)
    async with whole_tables(store.pool) as connection:
        about = [each for each in questions() if each.is_about_balances]
        return await ask_elsewhere(connection, about, store.opened.balances, limit=1)
