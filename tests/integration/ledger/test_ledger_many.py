"""Many transfers in one statement: what is written keeps every rule that one by one would."""

from collections.abc import Coroutine
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from perdure.core.errors import PerdureError
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.core.money import AMOUNT_MINOR_MAX
from perdure.ledger.model import (
    AccountKind,
    AccountStatus,
    NewAccount,
    NewTransfer,
    TransferKind,
)

from .conftest import Example, Examples, one_example
from .test_ledger_concurrency import shard_of
from .test_ledger_contract import account, move

# The property: a batch over accounts of every sort, against a plain model of the rules.

ROOM_MINOR = 100
"""What can still be credited to the account that is nearly full."""

ACCOUNTS = {
    "bank": account(AccountKind.ASSET, may_go_negative=True),
    "clearing": account(may_go_negative=True),
    "rich": account(),
    "poor": account(),
    "till": account(AccountKind.ASSET),
    "frozen": account(),
    "euro": account(currency="EUR"),
    "euro_clearing": account(currency="EUR", may_go_negative=True),
    "full": account(),
}
"""The ids are made anew for each example."""

FUNDS_MINOR = {"rich": 400, "poor": 60, "till": 200, "frozen": 1000, "euro": 500}

OFTEN = ["rich", "poor", "clearing", "bank", "till", "full"]
NAMES = st.sampled_from([*OFTEN * 4, "frozen", "euro", "euro_clearing", "none"])


@dataclass(frozen=True)
class Drawn:
    """A transfer as it is drawn; `repeats` gives it the id of the one before."""

    debit: str
    credit: str
    amount_minor: int
    currency: str
    code: str
    repeats: bool


DRAWN = st.builds(
    Drawn,
    debit=NAMES,
    credit=NAMES,
    amount_minor=st.integers(1, 60) | st.integers(-1, 400),
    currency=st.sampled_from(["USD"] * 30 + ["EUR"] * 2 + ["XXX"]),
    code=st.sampled_from(["payment"] * 30 + [""]),
    repeats=st.sampled_from([False] * 15 + [True]),
)


class Model:
    """What each account still takes on each side."""

    def __init__(self, accounts: dict[str, NewAccount], *, has_room: bool) -> None:
        self.accounts = {new.id: new for new in accounts.values()}
        self.frozen = accounts["frozen"].id
        self.free = {accounts[name].id: amount for name, amount in FUNDS_MINOR.items()}
        self.free[accounts["full"].id] = AMOUNT_MINOR_MAX - ROOM_MINOR
        self.room = {} if has_room else {accounts["full"].id: ROOM_MINOR}

    def refusal(self, new: NewTransfer) -> str | None:
        """The code of the error that the transfer meets, by `LedgerStore.hold`'s order."""
        ends = (new.debit_account_id, new.credit_account_id)
        known = [self.accounts[end] for end in ends if end in self.accounts]
        short = any(self.free[end] < new.amount_minor for end in self._floored(new, paying=True))
        rules = {
            "invalid_amount": new.amount_minor < 1,
            "unknown_currency": new.currency == "XXX",
            "missing_field": not new.code,
            "same_account": ends[0] == ends[1],
            "account_not_found": len(known) < 2,
        }
        for end in known:
            rules |= {f"currency_mismatch {end.id}": end.currency != new.currency}
            rules |= {f"account_not_open {end.id}": end.id == self.frozen}
        rules |= {"insufficient_funds": short}
        full = self.room.get(new.credit_account_id, AMOUNT_MINOR_MAX) < new.amount_minor
        rules |= {"balance_overflow": full}
        return next((name.split()[0] for name, broken in rules.items() if broken), None)

    def _floored(self, new: NewTransfer, *, paying: bool) -> list[str]:
        """The accounts with a floor that the money leaves, or that it reaches."""
        ends = (new.debit_account_id, new.credit_account_id)
        kinds = (AccountKind.LIABILITY, AccountKind.ASSET)
        return [
            end
            for end, kind in zip(ends, kinds if paying else reversed(kinds), strict=True)
            if end in self.free and self.accounts[end].kind is kind
        ]

    def hold(self, new: NewTransfer) -> None:
        for end in self._floored(new, paying=True):
            self.free[end] -= new.amount_minor
        if new.credit_account_id in self.room:
            self.room[new.credit_account_id] -= new.amount_minor

    def post(self, new: NewTransfer) -> None:
        for end in self._floored(new, paying=False):
            self.free[end] += new.amount_minor

    def void(self, new: NewTransfer) -> None:
        for end in self._floored(new, paying=True):
            self.free[end] += new.amount_minor
        if new.credit_account_id in self.room:
            self.room[new.credit_account_id] += new.amount_minor


async def open_accounts(example: Example) -> dict[str, NewAccount]:
    ledger, session = example.ledger, example.session
    accounts = {name: replace(new, id=new_id(ACCOUNT)) for name, new in ACCOUNTS.items()}
    for new in accounts.values():
        await ledger.open_account(session, new)
    for name, amount_minor in (FUNDS_MINOR | {"full": AMOUNT_MINOR_MAX - ROOM_MINOR}).items():
        funded = accounts[name]
        source = account(currency=funded.currency, may_go_negative=True)
        await ledger.open_account(session, source)
        debit, credit = source.id, funded.id
        if funded.kind is AccountKind.ASSET:
            debit, credit = credit, debit
        await ledger.post(session, move(debit, credit, amount_minor, currency=funded.currency))
    await ledger.set_account_status(session, accounts["frozen"].id, AccountStatus.FROZEN)
    return accounts


async def outcome(placing: Coroutine[Any, Any, Any]) -> str | None:
    """The code of the error, or none."""
    try:
        await placing
    except PerdureError as error:
        return error.code
    return None


def transfers(drawn: list[Drawn], accounts: dict[str, NewAccount]) -> list[NewTransfer]:
    made: list[NewTransfer] = []
    for each in drawn:
        debit, credit = (
            accounts[name].id if name in accounts else "acc_none"
            for name in (each.debit, each.credit)
        )
        new = move(debit, credit, each.amount_minor, currency=each.currency, code=each.code)
        made.append(replace(new, id=made[-1].id) if each.repeats and made else new)
    return made


def all_fit(batch: list[NewTransfer], model: Model) -> bool:
    """Tell whether one by one would write them all."""
    trial = deepcopy(model)
    for new in batch:
        if trial.refusal(new) is not None:
            return False
        trial.hold(new)
    return len({new.id for new in batch}) == len(batch)


async def check_batch(example: Example, batch: list[NewTransfer], model: Model) -> None:
    ledger, session = example.ledger, example.session
    ids = [new.id for new in batch]
    expected_whole = all_fit(batch, model)

    written = await ledger.hold_many(session, batch)

    event(f"wrote {'all' if len(written) == len(batch) else 'some' if written else 'none'}")
    assert await example.violations() == []
    assert not expected_whole or written == set(ids)
    first: dict[str, NewTransfer] = {}
    for new in batch:
        if new.id in written:
            assert ids.count(new.id) == 1
            assert model.refusal(new) is None
            model.hold(new)
            assert (await ledger.hold(session, new)).created is False
            first[new.id] = new
    for new in batch:
        if new.id in written:
            continue
        expected = model.refusal(new)
        is_malformed = expected in {
            "invalid_amount",
            "unknown_currency",
            "missing_field",
            "same_account",
        }
        if new.id in first and not is_malformed:
            expected = None if first[new.id] == new else "idempotency_mismatch"
        elif expected is None:
            model.hold(new)
            first[new.id] = new
        assert await outcome(ledger.hold(session, new)) == expected
    held = list(first.values())
    kind = await check_settlements(example, together=held[::3], alone=held[1::3])
    for new in held[::3] + held[1::3]:
        (model.post if kind is TransferKind.POST_PENDING else model.void)(new)
    assert await example.violations() == []


async def check_settlements(
    example: Example, together: list[NewTransfer], alone: list[NewTransfer]
) -> TransferKind:
    """Post or void these; returns which it was."""
    ledger, session = example.ledger, example.session
    settlings = {new.id: new_id(TRANSFER) for new in together}
    unknown = (new_id(TRANSFER), new_id(TRANSFER))
    kind, settle_many, settle = [
        (TransferKind.POST_PENDING, ledger.post_holds, ledger.post_hold),
        (TransferKind.VOID_PENDING, ledger.void_holds, ledger.void_hold),
    ][len(settlings) % 2]
    assert await settle_many(session, [unknown, *settlings.items()]) == set(settlings)
    assert await settle_many(session, list(settlings.items())) == frozenset()
    for new in together + alone:
        transfer_id = settlings.get(new.id)
        settled = await settle(session, new.id, transfer_id or new_id(TRANSFER))
        assert settled.created is (transfer_id is None)
        held = await ledger.get_hold(session, new.id)
        assert held.settled_by == settled.transfer
        assert settled.transfer == replace(
            held.transfer,
            id=settled.transfer.id,
            kind=kind,
            pending_id=new.id,
            created_at=settled.transfer.created_at,
        )
    return kind


def test_a_batch_writes_what_the_rules_allow_and_leaves_out_the_rest(examples: Examples) -> None:
    async def in_one(batches: list[list[Drawn]]) -> None:
        async with one_example(examples.store) as example:
            accounts = await open_accounts(example)
            model = Model(accounts, has_room=example.store.is_elsewhere)
            for drawn in batches:
                await check_batch(example, transfers(drawn, accounts), model)

    @settings(
        max_examples=examples.examples_max,
        phases=examples.phases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.lists(DRAWN, min_size=5, max_size=25), min_size=1, max_size=2))
    def check(batches: list[list[Drawn]]) -> None:
        examples.run(in_one(batches))

    check()


@pytest.mark.parametrize("verb", ["hold_many", "post_many"])
async def test_what_is_pending_already_counts(example: Example, verb: str) -> None:
    ledger, session, place = example.ledger, example.session, getattr(example.ledger, verb)
    accounts = {name: new.id for name, new in (await open_accounts(example)).items()}
    bank, clearing, poor = accounts["bank"], accounts["clearing"], accounts["poor"]
    till, full = accounts["till"], accounts["full"]
    for new in (move(poor, clearing, 40), move(bank, till, 150), move(bank, full, 60)):
        await ledger.hold(session, new)
    fits = [move(poor, clearing, 20), move(bank, till, 50), move(bank, full, 40)]
    too_much = [replace(new, id=new_id(TRANSFER), amount_minor=1) for new in fits]
    if example.store.is_elsewhere:
        too_much.pop()  # an account there is never full
    assert await place(session, fits + too_much) == {new.id for new in fits}
    assert await place(session, fits) == frozenset()
    assert await example.violations() == []


async def test_a_row_of_an_account_without_a_floor_is_not_overfilled(example: Example) -> None:
    example.store.skip_elsewhere("its accounts have no rows")
    ledger, session = example.ledger, example.session
    spent, other, third = [
        (await ledger.open_account(session, account(may_go_negative=True))).account.id
        for _ in range(3)
    ]
    first = move(spent, other, AMOUNT_MINOR_MAX - 10)
    fits, too_much = move(spent, third, 10), move(spent, third, 1)
    while shard_of(fits.id) != shard_of(first.id):
        fits = replace(fits, id=new_id(TRANSFER))
    assert await ledger.hold_many(session, [first]) == {first.id}
    assert await ledger.hold_many(session, [fits, too_much]) == {fits.id}
    # A call that begins with another transfer finds another row, with room on it.
    while shard_of(too_much.id) == shard_of(first.id):
        too_much = replace(too_much, id=new_id(TRANSFER))
    assert await ledger.hold_many(session, [too_much]) == {too_much.id}
    assert await example.violations() == []
