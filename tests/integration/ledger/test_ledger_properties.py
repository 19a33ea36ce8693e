"""The ledger against a plain model of it: whatever is asked, both give the same answer."""

from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from perdure.core.errors import Conflict, InsufficientFunds, LimitExceeded, PerdureError, Refused
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.core.money import AMOUNT_MINOR_MAX
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount, NewTransfer, Posted

from .conftest import Examples, one_example

KINDS = [*AccountKind] * 2
"""One account of each kind with a floor, then one of each without."""

NUMBERS = st.integers(0, len(KINDS) - 1)
AMOUNTS = st.integers(1, 100) | st.integers(1, 10**6) | st.just(AMOUNT_MINOR_MAX)
EXPIRIES = st.sampled_from([None, timedelta(days=-1), timedelta(days=1)])


@dataclass
class Held:
    debit: int
    credit: int
    amount_minor: int
    expired: bool
    open: bool = True


@dataclass
class Model:
    """Totals per account number and side, and nothing cleverer than a sum."""

    posted: Counter[tuple[int, str]] = field(default_factory=Counter)
    pending: Counter[tuple[int, str]] = field(default_factory=Counter)
    frozen: set[int] = field(default_factory=set)
    holds: dict[str, Held] = field(default_factory=dict)

    def refusal(self, debit: int, credit: int, amount_minor: int) -> type[PerdureError] | None:
        if self.frozen & {debit, credit}:
            return Refused
        for number, out, into in ((debit, "debit", "credit"), (credit, "credit", "debit")):
            outflow_is_debit = KINDS[number] in {AccountKind.LIABILITY, AccountKind.INCOME}
            if number >= len(AccountKind) or outflow_is_debit != (out == "debit"):
                continue
            free = self.posted[number, into] - self.posted[number, out] - self.pending[number, out]
            if free < amount_minor:
                return InsufficientFunds
        return None

    def book(
        self, side: Counter[tuple[int, str]], debit: int, credit: int, amount_minor: int
    ) -> None:
        side[debit, "debit"] += amount_minor
        side[credit, "credit"] += amount_minor


class LedgerMachine(RuleBasedStateMachine):
    """Each example is one of `one_example`."""

    holds: Bundle[str] = Bundle("holds")

    def __init__(self, examples: Examples) -> None:
        super().__init__()
        self.run_async = examples.run
        self.opening = one_example(examples.store)
        self.example = self.run_async(self.opening.__aenter__())
        self.ledger, self.session = self.example.ledger, self.example.session
        self.model = Model()
        self.accounts = [new_id(ACCOUNT) for _ in KINDS]
        for number, (account_id, kind) in enumerate(zip(self.accounts, KINDS, strict=True)):
            new = NewAccount(
                id=account_id,
                name=f"Account {number}",
                kind=kind,
                currency="USD",
                may_go_negative=number >= len(AccountKind),
            )
            self.run_async(self.ledger.open_account(self.session, new))

    def outcome(self, coroutine: Coroutine[Any, Any, Posted]) -> bool | type[PerdureError]:
        try:
            return self.run_async(coroutine).created
        except PerdureError as error:
            return type(error)

    def new_transfer(self, debit: int, credit: int, amount_minor: int) -> NewTransfer:
        return NewTransfer(
            id=new_id(TRANSFER),
            debit_account_id=self.accounts[debit],
            credit_account_id=self.accounts[credit],
            amount_minor=amount_minor,
            currency="USD",
            code="payment",
        )

    def expected(
        self, debit: int, credit: int, amount_minor: int, outcome: bool | type[PerdureError]
    ) -> bool | type[PerdureError]:
        refusal = self.model.refusal(debit, credit, amount_minor)
        # Where the largest amounts meet depends on the balance's shards, which the model has not.
        if refusal is None and outcome is LimitExceeded:
            totals = self.model.posted + self.model.pending
            full = max(totals[debit, "debit"], totals[credit, "credit"])
            assert full + amount_minor > AMOUNT_MINOR_MAX
            return LimitExceeded
        return refusal or True

    @rule(debit=NUMBERS, credit=NUMBERS, amount_minor=AMOUNTS)
    def post(self, debit: int, credit: int, amount_minor: int) -> None:
        if debit == credit:
            return
        new = self.new_transfer(debit, credit, amount_minor)
        outcome = self.outcome(self.ledger.post(self.session, new))
        assert outcome == self.expected(debit, credit, amount_minor, outcome)
        if outcome is True:
            self.model.book(self.model.posted, debit, credit, amount_minor)
            assert self.outcome(self.ledger.post(self.session, new)) is False

    @rule(target=holds, debit=NUMBERS, credit=NUMBERS, amount_minor=AMOUNTS, expiry=EXPIRIES)
    def hold(self, debit: int, credit: int, amount_minor: int, expiry: timedelta | None) -> str:
        if debit == credit:
            return ""
        new = self.new_transfer(debit, credit, amount_minor)
        expires_at = datetime.now(UTC) + expiry if expiry else None
        placing = self.ledger.hold(self.session, new, expires_at=expires_at)
        outcome = self.outcome(placing)
        assert outcome == self.expected(debit, credit, amount_minor, outcome)
        if outcome is not True:
            return ""
        self.model.book(self.model.pending, debit, credit, amount_minor)
        expired = expiry is not None and expiry < timedelta()
        self.model.holds[new.id] = Held(debit, credit, amount_minor, expired)
        return new.id

    @rule(hold_id=holds, part=st.none() | AMOUNTS)
    def post_hold(self, hold_id: str, part: int | None) -> None:
        if held := self.model.holds.get(hold_id):
            over = part is not None and part > held.amount_minor
            refusal = Conflict if not held.open or held.expired else LimitExceeded if over else None
            settling = self.ledger.post_hold(self.session, hold_id, new_id(TRANSFER), part)
            assert self.outcome(settling) == (refusal or True)
            if refusal is None:
                self.release(held)
                self.model.book(
                    self.model.posted, held.debit, held.credit, part or held.amount_minor
                )

    @rule(hold_id=holds)
    def void_hold(self, hold_id: str) -> None:
        if held := self.model.holds.get(hold_id):
            settling = self.ledger.void_hold(self.session, hold_id, new_id(TRANSFER))
            assert self.outcome(settling) == (True if held.open else Conflict)
            self.release(held)

    @rule(hold_id=holds)
    def expire_hold(self, hold_id: str) -> None:
        if held := self.model.holds.get(hold_id):
            settling = self.ledger.expire_hold(self.session, hold_id, new_id(TRANSFER))
            expires = held.open and held.expired
            assert self.outcome(settling) == (True if expires else Conflict)
            if expires:
                self.release(held)

    def release(self, held: Held) -> None:
        if held.open:
            self.model.book(self.model.pending, held.debit, held.credit, -held.amount_minor)
            held.open = False

    @rule(number=NUMBERS, status=st.sampled_from([AccountStatus.OPEN, AccountStatus.FROZEN]))
    def set_status(self, number: int, status: AccountStatus) -> None:
        change = self.ledger.set_account_status(self.session, self.accounts[number], status)
        self.run_async(change)
        if status is AccountStatus.FROZEN:
            self.model.frozen.add(number)
        else:
            self.model.frozen.discard(number)

    @invariant()
    def balances_agree(self) -> None:
        for number, account_id in enumerate(self.accounts):
            balance = self.run_async(self.ledger.balance(self.session, account_id))
            assert balance.debits_posted_minor == self.model.posted[number, "debit"]
            assert balance.credits_posted_minor == self.model.posted[number, "credit"]
            assert balance.debits_pending_minor == self.model.pending[number, "debit"]
            assert balance.credits_pending_minor == self.model.pending[number, "credit"]

    def teardown(self) -> None:
        try:
            assert self.run_async(self.example.violations()) == []
        finally:
            self.run_async(self.opening.__aexit__(None, None, None))


def test_the_ledger_agrees_with_its_model(examples: Examples) -> None:
    run_state_machine_as_test(
        # A factory will do where the annotation asks for a class.
        lambda: LedgerMachine(examples),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples.examples_max,
            phases=examples.phases,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
