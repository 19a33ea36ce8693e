"""What is committed in PostgreSQL and owed to TigerBeetle, and what is there for no commit of ours.

The commit in PostgreSQL decides (docs/adr/0052-tigerbeetle.md). Money that may be lacking was
reserved before it; what the commit makes of the reservation is written down with it, and done right
after it by who committed, or later by the janitor. None of it can be refused by then.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import asyncpg
import structlog
import tigerbeetle as tb

from perdure.ledger import statements_tigerbeetle as statements
from perdure.ledger.model import Balance, TransferKind
from perdure.ledger.tigerbeetle_client import TigerBeetle
from perdure.ledger.tigerbeetle_ids import Numbers, fingerprint, ledger_number
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool

log = structlog.get_logger()

RESERVED: Final = 1
"""In `user_data_32`: it was written before our commit, and counts only if that came."""
COMMITTED: Final = 2
"""In `user_data_32`: our commit came before it."""

CODE: Final = 1
"""TigerBeetle wants a code; what a transfer is for is ours to keep."""

_OVERDUE_S: Final = 2.0
"""Who committed has done what it owes by then, or died."""
ABANDONED_S: Final = 30.0
"""What was reserved so long ago and is not committed is given back. A transaction that is slower
makes a reservation anew."""
_SWEPT_MAX: Final = 500

_DONE: Final = frozenset({tb.CreateTransferStatus.CREATED, tb.CreateTransferStatus.EXISTS})

# What was given up for a transfer of other terms went in one chain with it.
_GIVEN_BACK: Final = frozenset({*_DONE, tb.CreateTransferStatus.EXISTS_WITH_DIFFERENT_FLAGS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A transfer that TigerBeetle is to have.

    Args:
        transaction: Which of PostgreSQL's committed it.
        transfer_id: Ours that it carries out.
        pending_id: What it posts or voids there.
        held_minor: How much that has set aside.
        needs: The accounts whose money it takes, set free by the transaction before.
    """

    number: int
    transaction: int
    tigerbeetle_id: int
    transfer_id: str
    kind: TransferKind
    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    currency: str
    pending_id: int | None
    held_minor: int
    needs: tuple[str, ...]

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Owed":
        """Return what a row stands for."""
        return cls(
            number=row["number"],
            transaction=row["transaction"],
            tigerbeetle_id=row["tigerbeetle_id"].int,
            transfer_id=row["transfer_id"],
            kind=TransferKind(row["kind"]),
            debit_account_id=row["debit_account_id"],
            credit_account_id=row["credit_account_id"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            pending_id=row["pending_id"].int if row["pending_id"] else None,
            held_minor=row["held_minor"],
            needs=tuple(row["needs"]),
        )

    def told(self, numbers: Numbers) -> tb.Transfer:
        """Return what TigerBeetle is told."""
        told = tb.Transfer(
            id=self.tigerbeetle_id,
            user_data_128=fingerprint(self.transfer_id),
            user_data_64=numbers.namespace,
            user_data_32=COMMITTED,
        )
        if self.pending_id is None:
            told.debit_account_id = numbers.account(self.debit_account_id)
            told.credit_account_id = numbers.account(self.credit_account_id)
            told.ledger, told.code = ledger_number(self.currency), CODE
        else:
            told.pending_id = self.pending_id
        if self.kind is not TransferKind.VOID_PENDING:
            told.amount = self.amount_minor
        told.flags = _FLAGS[self.kind]
        return told

    def on(self, account_id: str, balance: Balance) -> Balance:
        """Return an account's balance as it is with this carried out."""
        pending = self.amount_minor if self.kind is TransferKind.PENDING else -self.held_minor
        posts = self.kind in {TransferKind.POSTED, TransferKind.POST_PENDING}
        posted = self.amount_minor if posts else 0
        if account_id == self.debit_account_id:
            return replace(
                balance,
                debits_pending_minor=balance.debits_pending_minor + pending,
                debits_posted_minor=balance.debits_posted_minor + posted,
            )
        if account_id == self.credit_account_id:
            return replace(
                balance,
                credits_pending_minor=balance.credits_pending_minor + pending,
                credits_posted_minor=balance.credits_posted_minor + posted,
            )
        return balance


_FLAGS: Final = {
    TransferKind.POSTED: tb.TransferFlags.NONE,
    TransferKind.PENDING: tb.TransferFlags.PENDING,
    TransferKind.POST_PENDING: tb.TransferFlags.POST_PENDING_TRANSFER,
    TransferKind.VOID_PENDING: tb.TransferFlags.VOID_PENDING_TRANSFER,
}


def chains(owed: Iterable[Owed]) -> list[list[Owed]]:
    """Return what is to be written all or not at all: what takes money with what set it free.

    Args:
        owed: In the order in which it was written down.
    """
    chain_of: dict[int, list[Owed]] = {}
    of_account: dict[tuple[int, str], list[Owed]] = {}
    for one in owed:
        chain = [one]
        for needed in one.needs:
            for freeing in of_account.get((one.transaction, needed), ()):
                if chain_of[freeing.number] is not chain:
                    chain = sorted(chain_of[freeing.number] + chain, key=lambda each: each.number)
                    chain_of |= {each.number: chain for each in chain}
        chain_of[one.number] = chain
        for account_id in (one.debit_account_id, one.credit_account_id):
            of_account.setdefault((one.transaction, account_id), []).append(one)
    found = {id(chain): chain for chain in chain_of.values()}
    # A chain settles nothing that was written down after its last.
    return sorted(found.values(), key=lambda chain: chain[-1].number)


class OwedTransfers:
    """Carries out at TigerBeetle what was committed, and gives back what was not."""

    def __init__(self, pool: Pool, tigerbeetle: TigerBeetle, numbers: Numbers) -> None:
        self._pool = pool
        self._tigerbeetle = tigerbeetle
        self._numbers = numbers
        self._transactions: GroupCommit[int, None] = GroupCommit(self._carry_out)

    async def carry_out(self, transaction: int) -> None:
        """Do what a transaction has committed, with what others have meanwhile."""
        await self._transactions.submit(transaction)

    async def carry_out_overdue(self, *, overdue_s: float = _OVERDUE_S) -> int:
        """Do what was left by who died, or did not get through; returns of how many commits."""
        rows = await self._pool.fetch(statements.OVERDUE, overdue_s, _SWEPT_MAX)
        if rows:
            await self._carry_out([row["transaction"] for row in rows])
            log.info("ledger_carried_out", transactions=len(rows))
        return len(rows)

    async def _carry_out(self, transactions: Sequence[int]) -> list[None]:
        rows = await self._pool.fetch(statements.OWED_BY, transactions)
        carried_out = await self.write([Owed.of(row) for row in rows])
        if carried_out:
            await self._pool.execute(statements.CARRIED_OUT, carried_out)
        return [None] * len(transactions)

    async def write(self, owed: Sequence[Owed]) -> list[int]:
        """Write what is owed; returns the numbers of what TigerBeetle has by now."""
        if not owed:
            return []
        together = chains(owed)
        answers = await self._tigerbeetle.write(
            [[each.told(self._numbers) for each in chain] for chain in together]
        )
        carried_out: list[int] = []
        for chain, statuses in zip(together, answers, strict=True):
            # A chain that is there already is refused for its first, and the others for that one.
            reasons = {*statuses} - {tb.CreateTransferStatus.LINKED_EVENT_FAILED}
            if reasons <= _DONE:
                carried_out += [each.number for each in chain]
            else:
                log.error(
                    "ledger_refuses_what_was_committed",
                    transfers=[each.transfer_id for each in chain],
                    reasons=[reason.name.lower() for reason in reasons - _DONE],
                )
        return carried_out

    async def balances(
        self, session: Connection, sides: Mapping[str, Balance]
    ) -> dict[str, Balance]:
        """Return balances as they are with all carried out that the session sees committed.

        Args:
            sides: An empty balance for each account.
        """
        rows = await session.fetch(statements.OWED_TO_ACCOUNTS, [*sides])
        owed = [Owed.of(row) for row in rows]
        numbers = {self._numbers.account(account_id): account_id for account_id in sides}
        ids = [each.tigerbeetle_id for each in owed]
        before = await self._tigerbeetle.transfers(ids)
        while True:
            found = await self._tigerbeetle.accounts([*numbers])
            after = await self._tigerbeetle.transfers(ids)
            if before.keys() == after.keys():
                break
            before = after  # something was carried out just now: before it was read, or after?
        read = {numbers[number]: found[number] for number in found}
        assert read.keys() == sides.keys(), f"TigerBeetle lacks {sides.keys() - read.keys()}"
        balances = {key: read_balance(read[key], empty) for key, empty in sides.items()}
        for each in owed:
            if each.tigerbeetle_id not in after:
                for end in {each.debit_account_id, each.credit_account_id} & balances.keys():
                    balances[end] = each.on(end, balances[end])
        return balances

    async def set_free(self, session: Connection, sides: Mapping[str, Balance]) -> dict[str, int]:
        """Return how much of each account the session's own transaction has set free by now."""
        rows = await session.fetch(statements.OWED_TO_ACCOUNTS, [*sides])
        changes = dict(sides)
        for each in (Owed.of(row) for row in rows if row["is_own"]):
            for end in {each.debit_account_id, each.credit_account_id} & changes.keys():
                changes[end] = each.on(end, changes[end])
        return {end: change.available_minor for end, change in changes.items()}

    async def hurry(self, session: Connection, account_ids: Collection[str]) -> bool:
        """Carry out at once what others have committed on these accounts; returns if it changed.

        It is read through the session: whoever holds a connection takes no second one.
        """
        rows = await session.fetch(statements.OWED_TO_ACCOUNTS, [*account_ids])
        theirs = {row["transaction"] for row in rows if not row["is_own"]}
        if not theirs:
            return False
        owed = [Owed.of(row) for row in await session.fetch(statements.OWED_BY, [*theirs])]
        before = await self._tigerbeetle.transfers([each.tigerbeetle_id for each in owed])
        await self.write([each for each in owed if each.tigerbeetle_id not in before])
        return len(before) < len(owed)

    async def give_back_abandoned(self, *, abandoned_s: float = ABANDONED_S) -> int:
        """Give back what was reserved for a commit that never came; returns how many were.

        Whoever writes a reservation's id first decides, here or where the transfer is placed. What
        was given up here and not given back for a crash is found again: only then is it looked on.
        """
        after_ns = await self._pool.fetchval(statements.LOOKED_THROUGH)
        if after_ns is None:
            return 0
        given_back = 0
        through_ns = time.time_ns() - round(abandoned_s * 1e9)
        while reserved := await self._tigerbeetle.query(
            namespace=self._numbers.namespace,
            mark=RESERVED,
            after_ns=after_ns,
            through_ns=through_ns,
        ):
            given_back += await self._give_back(reserved)
            after_ns = reserved[-1].timestamp
            await self._pool.execute(statements.LOOK_ON, after_ns)
        return given_back

    async def _give_back(self, reserved: Sequence[tb.Transfer]) -> int:
        ids = [UUID(int=each.id) for each in reserved]
        count = await self._counting(ids)
        undecided = [each for each in ids if each.int not in count]
        if not undecided:
            return 0
        await self._pool.execute(statements.GIVE_UP_ALL, undecided)
        count = await self._counting(undecided)
        given_up = [each for each in reserved if UUID(int=each.id) in undecided]
        voids = [
            [
                tb.Transfer(
                    id=self._numbers.give_back(each.id),
                    pending_id=each.id,
                    user_data_128=each.user_data_128,
                    user_data_64=self._numbers.namespace,
                    user_data_32=COMMITTED,
                    flags=tb.TransferFlags.VOID_PENDING_TRANSFER,
                )
            ]
            for each in given_up
            if each.id not in count
        ]
        statuses = [status for [status] in await self._tigerbeetle.write(voids)]
        assert {*statuses} <= _GIVEN_BACK, f"not given back: {statuses}"
        given_back = statuses.count(tb.CreateTransferStatus.CREATED)
        if given_back:
            log.info("ledger_gave_back_reservations", reservations=given_back)
        return given_back

    async def _counting(self, ids: Sequence[UUID]) -> set[int]:
        rows = await self._pool.fetch(statements.COUNTS, ids)
        return {row["tigerbeetle_id"].int for row in rows}


def read_balance(account: tb.Account, empty: Balance) -> Balance:
    """Return what TigerBeetle has on an account."""
    return replace(
        empty,
        debits_pending_minor=account.debits_pending,
        debits_posted_minor=account.debits_posted,
        credits_pending_minor=account.credits_pending,
        credits_posted_minor=account.credits_posted,
    )
