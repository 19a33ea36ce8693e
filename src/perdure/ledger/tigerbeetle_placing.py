"""How a transfer gets to TigerBeetle, and what its accounts say to that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import tigerbeetle as tb

from perdure.core.errors import Conflict, PerdureError
from perdure.ledger import rules
from perdure.ledger.model import Account, AccountKind, Balance, NewTransfer, Side
from perdure.ledger.tigerbeetle_ids import Numbers, Purpose, fingerprint, ledger_number
from perdure.ledger.tigerbeetle_owed import CODE, RESERVED

_KIND_CODES: Final = {kind: number for number, kind in enumerate(AccountKind, start=1)}


def told_account(account: Account, numbers: Numbers) -> tb.Account:
    """Return an account as TigerBeetle is told of it."""
    floor = (
        tb.AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
        if account.kind.normal_side is Side.CREDIT
        else tb.AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS
    )
    return tb.Account(
        id=numbers.account(account.id),
        user_data_128=fingerprint(account.id),
        user_data_64=numbers.namespace,
        ledger=ledger_number(account.currency),
        code=_KIND_CODES[account.kind],
        flags=tb.AccountFlags.NONE if account.may_go_negative else floor,
    )


@dataclass(frozen=True, slots=True)
class Placing:
    """A transfer on its way.

    Args:
        number: Its id there.
        is_reserved: It is reserved before our commit; else it is written after it, as nothing can
            refuse it, or what it needs was set free by this very transaction.
        carried_out_by: The id there of what is written after our commit, but for a hold that was
            reserved: that is all there is to it.
        needs: The accounts where that is so.
    """

    new: NewTransfer
    number: int
    is_reserved: bool
    carried_out_by: int
    needs: tuple[str, ...] = ()

    @classmethod
    def reserving(cls, new: NewTransfer, attempt: int, numbers: Numbers) -> "Placing":
        """Return one that is reserved.

        Args:
            attempt: Which of the business: one more than those that are known to have come to
                nothing. One of which nothing is known has the number that it had.
        """
        return cls(
            new,
            numbers.transfer(new.id, Purpose.RESERVE, attempt),
            is_reserved=True,
            carried_out_by=numbers.transfer(new.id, Purpose.CARRY_OUT),
        )

    @classmethod
    def after_commit(cls, new: NewTransfer, needs: tuple[str, ...], numbers: Numbers) -> "Placing":
        """Return one that is written after the commit."""
        number = numbers.transfer(new.id, Purpose.CARRY_OUT)
        return cls(new, number, is_reserved=False, carried_out_by=number, needs=needs)

    def reservation(self, numbers: Numbers) -> tb.Transfer:
        """Return what TigerBeetle is told before our commit."""
        return tb.Transfer(
            id=self.number,
            debit_account_id=numbers.account(self.new.debit_account_id),
            credit_account_id=numbers.account(self.new.credit_account_id),
            amount=self.new.amount_minor,
            user_data_128=fingerprint(self.new.id),
            user_data_64=numbers.namespace,
            user_data_32=RESERVED,
            ledger=ledger_number(self.new.currency),
            code=CODE,
            # Without a time-out: one that ended after our commit would refuse what is committed.
            flags=tb.TransferFlags.PENDING,
        )


@dataclass(frozen=True, slots=True)
class Ends:
    """The accounts of some transfers, which nobody freezes or closes meanwhile.

    Args:
        placed: Which of the transfers are there already.
        transaction_owes: The transaction has something to be carried out already.
    """

    accounts: Mapping[str, Account]
    placed: frozenset[str]
    transaction_owes: bool

    def check(self, new: NewTransfer) -> None:
        """Refuse a transfer that its accounts do not take, or that is there; see `check_ends`.

        One that is there may have come another way than it would now: what is reserved for it would
        be missing until the janitor gives it back.
        """
        rules.check_ends(new, self.state(new.debit_account_id), self.state(new.credit_account_id))
        if new.id in self.placed:
            raise transfer_exists(new.id)

    def take(self, new: NewTransfer) -> bool:
        """Whether its accounts take a transfer, as far as it is not about money."""
        try:
            self.check(new)
        except PerdureError:
            return False
        return True

    def guarded(self, new: NewTransfer) -> tuple[str, ...]:
        """Return the accounts of a transfer whose floor it might go below."""
        ends = ((new.debit_account_id, Side.DEBIT), (new.credit_account_id, Side.CREDIT))
        return tuple(
            end
            for end, side in ends
            if not (account := self.accounts[end]).may_go_negative
            and side is not account.kind.normal_side
        )

    def state(self, account_id: str, balance: Balance | None = None) -> rules.AccountState | None:
        """Return an account as the rules look at it."""
        if (account := self.accounts.get(account_id)) is None:
            return None
        return rules.AccountState(
            id=account.id,
            currency=account.currency,
            may_go_negative=account.may_go_negative,
            status=account.status,
            balance=balance or Balance(normal_side=account.kind.normal_side),
        )

    def owing(self) -> "Ends":
        """Return them once the transaction has something to be carried out."""
        return replace(self, transaction_owes=True)


def transfer_exists(transfer_id: str) -> Conflict:
    """Return what says that a transfer is there already."""
    return Conflict(f"{transfer_id} is there already.", code="transfer_exists")


def empty_balances(accounts: Iterable[Account]) -> dict[str, Balance]:
    """Return a balance of nothing for each account."""
    return {each.id: Balance(normal_side=each.kind.normal_side) for each in accounts}
