"""What the ledger is measured doing: transfers from one account or from many, alone or together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.ledger.verify import violations
from perdure.storage.pool import Connection, Pool, transaction

LEDGER: Final = PostgresLedger()
MANY_ACCOUNTS: Final = 1_000
FUNDS_MINOR: Final = 10**12
"""No wallet runs dry."""
FUNDED_TOGETHER: Final = 250

Write = Callable[[Pool, list[NewTransfer]], Awaitable[None]]


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


async def _post(pool: Pool, new: list[NewTransfer]) -> None:
    for each in new:
        async with transaction(pool) as session:
            await LEDGER.post(session, each)


async def _hold_and_post(pool: Pool, new: list[NewTransfer]) -> None:
    for each in new:
        async with transaction(pool) as session:
            await LEDGER.hold(session, each)
        async with transaction(pool) as session:
            await LEDGER.post_hold(session, each.id, new_id(TRANSFER))


async def _hold_and_post_many(pool: Pool, new: list[NewTransfer]) -> None:
    async with transaction(pool) as session:
        held = await LEDGER.hold_many(session, new)
    async with transaction(pool) as session:
        posts = [(hold_id, new_id(TRANSFER)) for hold_id in held]
        posted = await LEDGER.post_holds(session, posts)
    if len(posted) != len(new):
        raise WrongBooksError(f"{len(new) - len(posted)} of {len(new)} transfers were left out")


WAYS: Final = (
    Way("post, one by one", _post),
    Way("post, 50 in flight", _post, in_flight=50),
    Way("hold and post, one by one", _hold_and_post),
    Way("hold and post, 50 in flight", _hold_and_post, in_flight=50),
    Way("hold and post, batches of 200", _hold_and_post_many, batch=200),
    Way("hold and post, batches of 200, 2 in flight", _hold_and_post_many, in_flight=2, batch=200),
)


async def open_books(pool: Pool) -> Books:
    """Open the accounts, and put money into every wallet."""
    async with transaction(pool) as session:
        bank = await _open_account(session, AccountKind.ASSET, may_go_negative=True)
        clearing = await _open_account(session, AccountKind.LIABILITY, may_go_negative=True)
        wallets = [
            await _open_account(session, AccountKind.LIABILITY) for _ in range(MANY_ACCOUNTS)
        ]
    for first in range(0, MANY_ACCOUNTS, FUNDED_TOGETHER):
        part = wallets[first : first + FUNDED_TOGETHER]
        await _hold_and_post_many(pool, [_transfer(bank, each, FUNDS_MINOR) for each in part])
    await pool.execute("ANALYZE")
    return Books(tuple(wallets), clearing)


async def _open_account(
    session: Connection, kind: AccountKind, *, may_go_negative: bool = False
) -> str:
    new = NewAccount(
        id=new_id(ACCOUNT),
        name="An account",
        kind=kind,
        currency="USD",
        may_go_negative=may_go_negative,
    )
    return (await LEDGER.open_account(session, new)).account.id


def _transfer(debit: str, credit: str, amount_minor: int) -> NewTransfer:
    return NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_minor=amount_minor,
        currency="USD",
        code="payment",
    )


async def measure(way: Way, accounts: int, pool: Pool, books: Books, *, seconds: float) -> float:
    """Write transfers for so long, check the ledger, and return how many a second it was.

    Args:
        way: How they are written.
        accounts: How many wallets they leave; one is the hot account.
        pool: Connections to the books' database.
        books: The accounts.
        seconds: For how long new transfers are begun; those under way are then finished.

    Raises:
        WrongBooksError: The ledger has something else than was written, or an invariant is broken.
    """
    wallets = books.wallets[:accounts]
    random = Random(accounts)  # noqa: S311 - no secret
    before = await _collected(pool, books)
    began_s = time.perf_counter()
    written = 0

    async def one_after_another() -> None:
        nonlocal written
        while time.perf_counter() - began_s < seconds:
            new = [_transfer(random.choice(wallets), books.clearing, 1) for _ in range(way.batch)]
            await way.write(pool, new)
            written += len(new)

    async with asyncio.TaskGroup() as clients:
        for _ in range(way.in_flight):
            clients.create_task(one_after_another())
    took_s = time.perf_counter() - began_s
    found = await _collected(pool, books) - before
    if found != written:
        raise WrongBooksError(f"{way.name}: {written} transfers were made, {found} are there")
    if broken := await violations(pool):
        raise WrongBooksError(f"{way.name}: {broken[0]}")
    return written / took_s


async def _collected(pool: Pool, books: Books) -> int:
    """Return what was paid so far, one minor unit for each transfer."""
    async with transaction(pool) as session:
        return (await LEDGER.balance(session, books.clearing)).posted_minor
