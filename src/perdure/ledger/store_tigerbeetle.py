"""The ledger with its balances at TigerBeetle, and everything else in PostgreSQL.

What money might be lacking for is reserved there before our commit, as a pending transfer that
counts only once that commit has come; everything else is written there after it
(docs/adr/0052-tigerbeetle.md). The session is, as with `PostgresLedger`, a connection with an open
READ COMMITTED transaction; it should be one of `storage.pool.transaction`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import tigerbeetle as tb

from perdure.core.errors import IdempotencyMismatch, PerdureError
from perdure.ledger import rules
from perdure.ledger import statements_tigerbeetle as statements
from perdure.ledger.journal import (
    LedgerJournal,
    account_not_found,
    placed_transfer,
    settling_transfer,
)
from perdure.ledger.model import (
    Account,
    Balance,
    NewAccount,
    NewTransfer,
    Opened,
    Posted,
    Transfer,
    TransferKind,
)
from perdure.ledger.rows import account_of
from perdure.ledger.tigerbeetle_client import LedgerUnanswered, TigerBeetle
from perdure.ledger.tigerbeetle_ids import Numbers, Purpose, fingerprint
from perdure.ledger.tigerbeetle_owed import OwedTransfers
from perdure.ledger.tigerbeetle_placing import (
    Ends,
    Placing,
    empty_balances,
    told_account,
    transfer_exists,
)
from perdure.storage.pool import Connection, Pool, after_commit

_ATTEMPTS_MAX: Final = 1000
"""Each is one that was refused or given up before, found out again in one request."""

_THERE: Final = frozenset({tb.CreateTransferStatus.CREATED, tb.CreateTransferStatus.EXISTS})
_LACKING: Final = frozenset(
    {tb.CreateTransferStatus.EXCEEDS_CREDITS, tb.CreateTransferStatus.EXCEEDS_DEBITS}
)


class TigerBeetleLedger(LedgerJournal):
    """A `LedgerStore` on a TigerBeetle cluster and a PostgreSQL database."""

    def __init__(self, pool: Pool, tigerbeetle: TigerBeetle, numbers: Numbers) -> None:
        self._tigerbeetle = tigerbeetle
        self.numbers = numbers
        self.owed = OwedTransfers(pool, tigerbeetle, numbers)

    async def open_account(self, session: Connection, new: NewAccount, /) -> Opened:
        """Open an account; see `LedgerStore.open_account`."""
        rules.check_new_account(new)
        created_at = await session.fetchval(
            statements.OPEN_ACCOUNT,
            new.id,
            new.customer_id,
            new.name,
            new.kind,
            new.currency,
            new.may_go_negative,
        )
        account = await self.get_account(session, new.id)
        if created_at is None:
            rules.check_same_account(account, new)
            return Opened(account, created=False)
        # Before our commit: an account that nobody knows of is empty and harms nobody.
        [status] = await self._tigerbeetle.open_accounts([told_account(account, self.numbers)])
        if status not in {tb.CreateAccountStatus.CREATED, tb.CreateAccountStatus.EXISTS}:
            raise IdempotencyMismatch(
                f"TigerBeetle has another account as {new.id} ({status.name.lower()}); make a new"
                " id for a new account.",
                param="id",
            )
        return Opened(account, created=True)

    async def lock_account(self, session: Connection, account_id: str, /) -> None:
        """Wait for an account's transfers; see `LedgerJournal.lock_account`."""
        await session.execute(statements.LOCK_ACCOUNT, account_id)

    async def balance(self, session: Connection, account_id: str, /) -> Balance:
        """Return what was debited and credited so far; see `LedgerStore.balance`."""
        found = await self.accounts_with_balances(session, [account_id])
        if not found:
            raise account_not_found(account_id)
        return found[account_id][1]

    async def accounts_with_balances(
        self, session: Connection, account_ids: Collection[str], /
    ) -> dict[str, tuple[Account, Balance]]:
        """Return the accounts there are of these; see `LedgerStore.accounts_with_balances`."""
        rows = await session.fetch(statements.ACCOUNTS, list(account_ids))
        accounts = {row["id"]: account_of(row) for row in rows}
        balances = await self.owed.balances(session, empty_balances(accounts.values()))
        return {key: (account, balances[key]) for key, account in accounts.items()}

    async def place(
        self,
        session: Connection,
        new: NewTransfer,
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> Posted:
        """Make a transfer, or a hold; see `LedgerJournal.place`."""
        rules.check_new_transfer(new, expires_at)
        try:
            return await self._place_anew(session, new, kind, expires_at)
        except PerdureError:
            # It may be there already, and refused only now.
            if (found := await self.find_transfer(session, new.id)) is None:
                raise
        rules.check_same_transfer(found, new, kind, expires_at)
        return Posted(found, created=False)

    async def _place_anew(
        self,
        session: Connection,
        new: NewTransfer,
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> Posted:
        accounts = await self._share_accounts(session, [new])
        accounts.check(new)
        attempt = given_up = 0
        while attempt < _ATTEMPTS_MAX:
            [placing] = await self._ways(session, [new], accounts, attempt)
            status = tb.CreateTransferStatus.CREATED
            if placing.is_reserved:
                [[status]] = await self._tigerbeetle.write([[placing.reservation(self.numbers)]])
            if status in _THERE:
                written = await self._write(session, [placing], kind, expires_at)
                if new.id in written:
                    return Posted(
                        placed_transfer(new, kind, expires_at, written[new.id]), created=True
                    )
                # Another was quicker with this very transfer, or gave this reservation up.
                await self._refuse_twin(session, new.id)
            elif status in _LACKING:
                await self._check_funds(session, new, accounts, given_up)
            elif status is not tb.CreateTransferStatus.ID_ALREADY_FAILED:
                await self._give_up(session, placing, status)
                accounts, given_up = accounts.owing(), given_up + 1
            attempt += 1
        raise AssertionError(f"{new.id} was refused {_ATTEMPTS_MAX} times, and each was forgotten")

    async def _refuse_twin(self, session: Connection, transfer_id: str) -> None:
        if await self.find_transfer(session, transfer_id) is not None:
            raise transfer_exists(transfer_id)

    async def _check_funds(
        self, session: Connection, new: NewTransfer, accounts: Ends, given_up: int
    ) -> None:
        """Refuse what there is too little for, unless money has come meanwhile, or is coming."""
        ends = (new.debit_account_id, new.credit_account_id)
        if await self.owed.hurry(session, ends):
            return
        if given_up:
            raise LedgerUnanswered(f"What {new.id} had reserved before is given back first.")
        empty = empty_balances(accounts.accounts[end] for end in ends)
        balances = await self.owed.balances(session, empty)
        rules.check_accounts(new, *(accounts.state(end, balances[end]) for end in ends))

    async def _give_up(
        self, session: Connection, placing: Placing, status: tb.CreateTransferStatus
    ) -> None:
        """Give up a reservation of other terms; they were never committed, or this is refused.

        Raises:
            AssertionError: It is no reservation of ours.
        """
        new, number = placing.new, placing.number
        there = (await self._tigerbeetle.transfers([number])).get(number)
        if there is None or there.user_data_128 != fingerprint(new.id):
            # Two ids of ours that met in one, or something that we never send.
            assert there is not None, f"TigerBeetle refuses {new.id}: {status.name.lower()}"
            return
        await self._refuse_twin(session, new.id)
        asked = placing.reservation(self.numbers)
        if (there.debit_account_id, there.credit_account_id) != (
            asked.debit_account_id,
            asked.credit_account_id,
        ):
            raise LedgerUnanswered(f"What {new.id} had reserved elsewhere is given back first.")
        owed_by = await session.fetchval(
            statements.GIVE_UP,
            UUID(int=number),
            new.id,
            UUID(int=self.numbers.give_back(number)),
            new.debit_account_id,
            new.credit_account_id,
            there.amount,
            new.currency,
        )
        self._carry_out_after(session, owed_by)

    async def hold_many(self, session: Connection, new: Sequence[NewTransfer], /) -> frozenset[str]:
        """Set money aside for many transfers; see `LedgerStore.hold_many`."""
        return await self._place_many(session, new, TransferKind.PENDING)

    async def post_many(self, session: Connection, new: Sequence[NewTransfer], /) -> frozenset[str]:
        """Move money for many transfers; see `LedgerStore.post_many`."""
        return await self._place_many(session, new, TransferKind.POSTED)

    async def _place_many(
        self, session: Connection, new: Sequence[NewTransfer], kind: TransferKind
    ) -> frozenset[str]:
        well_formed = rules.well_formed(new)
        if not well_formed:
            return frozenset()
        accounts = await self._share_accounts(session, well_formed)
        placed = [each for each in well_formed if accounts.take(each)]
        ways = await self._ways(session, placed, accounts, 0)
        reserved = [each for each in ways if each.is_reserved]
        answers = await self._tigerbeetle.write(
            [[each.reservation(self.numbers)] for each in reserved]
        )
        refused = {
            each.new.id
            for each, [status] in zip(reserved, answers, strict=True)
            if status not in _THERE
        }
        writing = [each for each in ways if each.new.id not in refused]
        return frozenset(await self._write(session, writing, kind, None))

    async def _share_accounts(self, session: Connection, new: Sequence[NewTransfer]) -> Ends:
        ids = {end for each in new for end in (each.debit_account_id, each.credit_account_id)}
        rows = await session.fetch(statements.SHARE_ACCOUNTS, [*ids], [each.id for each in new])
        accounts = {row["id"]: account_of(row) for row in rows}
        placed = frozenset(each for row in rows[:1] for each in row["placed"])
        return Ends(accounts, placed, any(row["transaction_owes"] for row in rows))

    async def _ways(
        self,
        session: Connection,
        new: Sequence[NewTransfer],
        accounts: Ends,
        attempt: int,
    ) -> list[Placing]:
        """Return how each of these is written.

        After the commit, where no floor is in its way, or this transaction has set free what it
        needs; else it is reserved before.
        """
        needed = {each.id: accounts.guarded(each) for each in new}
        guarded = {end for ends in needed.values() for end in ends}
        free = dict.fromkeys(guarded, 0)
        if accounts.transaction_owes and guarded:
            empty = empty_balances(accounts.accounts[end] for end in guarded)
            free = await self.owed.set_free(session, empty)
        ways = []
        for each in new:
            needs = needed[each.id]
            if all(free[end] >= each.amount_minor for end in needs):
                for end in needs:
                    free[end] -= each.amount_minor
                ways.append(Placing.after_commit(each, needs, self.numbers))
            else:
                ways.append(Placing.reserving(each, attempt, self.numbers))
        return ways

    async def _write(
        self,
        session: Connection,
        placings: Sequence[Placing],
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> dict[str, datetime]:
        """Write transfers here; returns when, of those that were written."""
        if not placings:
            return {}
        new = [each.new for each in placings]
        rows = await session.fetch(
            statements.PLACE,
            [each.id for each in new],
            [each.debit_account_id for each in new],
            [each.credit_account_id for each in new],
            [each.amount_minor for each in new],
            [each.currency for each in new],
            [each.code for each in new],
            [each.operation_id for each in new],
            [UUID(int=each.number) for each in placings],
            # A hold that was reserved is all there is to it.
            [
                None
                if each.is_reserved and kind is TransferKind.PENDING
                else UUID(int=each.carried_out_by)
                for each in placings
            ],
            ["\n".join(each.needs) for each in placings],
            kind,
            expires_at,
        )
        self._carry_out_after(session, rows[0]["transaction"] if rows else None)
        return {row["id"]: row["created_at"] for row in rows}

    def _carry_out_after(self, session: Connection, transaction: int | None) -> None:
        if transaction is not None:
            after_commit(session, self, partial(self.owed.carry_out, transaction))

    async def lock_for(
        self, session: Connection, hold_ids: Sequence[str], new: Sequence[NewTransfer], /
    ) -> None:
        """Lock what later calls go on to; see `LedgerStore.lock_for`."""
        await session.fetch(statements.LOCK_HOLDS, hold_ids)
        if new:
            await self._share_accounts(session, new)

    async def post_holds(
        self, session: Connection, posts: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Move the money of many holds; see `LedgerStore.post_holds`."""
        pairs = rules.well_formed_pairs(posts)
        return frozenset(await self._settle_pairs(session, pairs, TransferKind.POST_PENDING))

    async def void_holds(
        self, session: Connection, voids: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Release the money of many holds; see `LedgerStore.void_holds`."""
        pairs = rules.well_formed_pairs(voids)
        return frozenset(await self._settle_pairs(session, pairs, TransferKind.VOID_PENDING))

    async def _settle_pairs(
        self,
        session: Connection,
        pairs: Sequence[tuple[str, str]],
        kind: TransferKind,
        amount_minor: int | None = None,
    ) -> dict[str, Transfer]:
        """Settle holds; returns the transfers that did, by hold."""
        if not pairs:
            return {}
        ids = dict(pairs)
        numbers = [
            UUID(int=self.numbers.transfer(each, Purpose.CARRY_OUT)) for each in ids.values()
        ]
        rows = await session.fetch(
            statements.SETTLE, [*ids], [*ids.values()], numbers, kind, amount_minor
        )
        self._carry_out_after(session, rows[0]["transaction"] if rows else None)
        return {
            row["id"]: settling_transfer(row, ids[row["id"]], kind, amount_minor) for row in rows
        }

    async def settle(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        kind: TransferKind,
        amount_minor: int | None,
    ) -> Posted:
        """Settle a hold; see `LedgerJournal.settle`."""
        rules.check_transfer_id(transfer_id, param="transfer_id")
        settled = await self._settle_pairs(session, [(hold_id, transfer_id)], kind, amount_minor)
        if settled:
            return Posted(settled[hold_id], created=True)
        past_expiry = await session.fetchval(statements.PAST_EXPIRY, hold_id)
        return await self.not_settled(
            session, hold_id, transfer_id, kind, amount_minor, past_expiry=bool(past_expiry)
        )
