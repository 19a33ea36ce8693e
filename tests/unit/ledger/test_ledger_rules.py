"""The ledger's rules, each with the error it gives."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PerdureError,
    Refused,
)
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger import rules
from perdure.ledger.model import (
    Account,
    AccountKind,
    AccountStatus,
    Balance,
    Hold,
    NewAccount,
    NewTransfer,
    Side,
    Transfer,
    TransferKind,
)

WALLET = rules.AccountState(
    id=new_id(ACCOUNT),
    currency="USD",
    may_go_negative=False,
    status=AccountStatus.OPEN,
    balance=Balance(
        normal_side=Side.CREDIT,
        credits_posted_minor=1000,
        debits_posted_minor=300,
        debits_pending_minor=200,
    ),
)
"""A wallet with 500 available."""

CLEARING = rules.AccountState(
    id="sys_gateway_clearing_USD",
    currency="USD",
    may_go_negative=True,
    status=AccountStatus.OPEN,
    balance=Balance(normal_side=Side.CREDIT),
)

NEW = NewTransfer(
    id=new_id(TRANSFER),
    debit_account_id=WALLET.id,
    credit_account_id=CLEARING.id,
    amount_minor=500,
    currency="USD",
    code="payment",
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def transfer(**changes: object) -> Transfer:
    written = Transfer(
        id=NEW.id,
        debit_account_id=NEW.debit_account_id,
        credit_account_id=NEW.credit_account_id,
        amount_minor=NEW.amount_minor,
        currency=NEW.currency,
        code=NEW.code,
        kind=TransferKind.PENDING,
        pending_id=None,
        operation_id=None,
        expires_at=None,
        created_at=NOW,
    )
    return replace(written, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "ltr_nonsense"}, "invalid_id"),
        ({"id": new_id(ACCOUNT)}, "invalid_id"),
        ({"amount_minor": 0}, "invalid_amount"),
        ({"amount_minor": -1}, "invalid_amount"),
        ({"amount_minor": 2**63}, "invalid_amount"),
        ({"amount_minor": 1.5}, "invalid_amount"),
        ({"currency": "usd"}, "unknown_currency"),
        ({"code": ""}, "missing_field"),
        ({"credit_account_id": WALLET.id}, "same_account"),
    ],
)
def test_a_transfer_wrong_in_itself_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.check_new_transfer(replace(NEW, **changes))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_an_expiry_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        rules.check_new_transfer(NEW, datetime(2026, 1, 1))  # noqa: DTZ001
    rules.check_new_transfer(NEW, NOW)


def test_a_transfer_within_the_rules_passes() -> None:
    rules.check_new_transfer(NEW)
    rules.check_accounts(NEW, WALLET, CLEARING)


FULL = replace(CLEARING, balance=Balance(normal_side=Side.CREDIT, credits_posted_minor=2**63 - 500))
FULL_OF_HOLDS = replace(
    CLEARING, balance=Balance(normal_side=Side.CREDIT, credits_pending_minor=2**63 - 500)
)


@pytest.mark.parametrize(
    ("debit", "credit", "error", "code"),
    [
        (None, CLEARING, NotFound, "account_not_found"),
        (WALLET, None, NotFound, "account_not_found"),
        (replace(WALLET, currency="EUR"), CLEARING, InvalidInput, "currency_mismatch"),
        (WALLET, replace(CLEARING, currency="EUR"), InvalidInput, "currency_mismatch"),
        (replace(WALLET, status=AccountStatus.FROZEN), CLEARING, Refused, "account_not_open"),
        (WALLET, replace(CLEARING, status=AccountStatus.CLOSED), Refused, "account_not_open"),
        (WALLET, FULL, LimitExceeded, "balance_overflow"),
        (WALLET, FULL_OF_HOLDS, LimitExceeded, "balance_overflow"),
    ],
)
def test_a_transfer_its_accounts_do_not_allow_is_refused(
    debit: rules.AccountState | None,
    credit: rules.AccountState | None,
    error: type[PerdureError],
    code: str,
) -> None:
    with pytest.raises(error) as refused:
        rules.check_accounts(NEW, debit, credit)
    assert refused.value.code == code


def test_one_unit_more_than_available_is_refused() -> None:
    with pytest.raises(InsufficientFunds, match=r"5\.00 USD available; 5\.01 USD is needed"):
        rules.check_accounts(replace(NEW, amount_minor=501), WALLET, CLEARING)


def test_money_coming_in_needs_no_funds() -> None:
    empty = replace(WALLET, balance=Balance(normal_side=Side.CREDIT))
    rules.check_accounts(NEW, CLEARING, empty)


@given(
    posted=st.integers(0, 1000),
    pending=st.integers(0, 1000),
    amount=st.integers(1, 1000),
    side=st.sampled_from(Side),
)
def test_what_the_floor_lets_through_leaves_the_floor_kept(
    posted: int, pending: int, amount: int, side: Side
) -> None:
    # A balance above its floor, held on either normal side.
    pending = min(pending, posted)
    if side is Side.CREDIT:
        before = Balance(
            normal_side=side, credits_posted_minor=posted, debits_pending_minor=pending
        )
        after = replace(before, debits_posted_minor=amount)
        outflow = Side.DEBIT
    else:
        before = Balance(
            normal_side=side, debits_posted_minor=posted, credits_pending_minor=pending
        )
        after = replace(before, credits_posted_minor=amount)
        outflow = Side.CREDIT
    covered = rules.covers(replace(WALLET, balance=before), outflow, amount)
    assert covered == (after.available_minor >= 0)


HELD = transfer()


@pytest.mark.parametrize(
    ("settled", "kind", "amount_minor", "past_expiry", "code"),
    [
        (TransferKind.POST_PENDING, TransferKind.VOID_PENDING, None, False, "hold_already_settled"),
        (TransferKind.VOID_PENDING, TransferKind.POST_PENDING, None, True, "hold_already_settled"),
        (TransferKind.EXPIRE_PENDING, TransferKind.POST_PENDING, None, True, "hold_expired"),
        (None, TransferKind.POST_PENDING, None, True, "hold_expired"),
        (None, TransferKind.EXPIRE_PENDING, None, False, "hold_not_expired"),
        (None, TransferKind.POST_PENDING, 501, False, "amount_over_hold"),
    ],
)
def test_a_settlement_the_hold_does_not_allow_is_refused(
    settled: TransferKind | None,
    kind: TransferKind,
    amount_minor: int | None,
    past_expiry: bool,
    code: str,
) -> None:
    settled_by = transfer(id=new_id(TRANSFER), kind=settled, pending_id=HELD.id)
    hold = Hold(transfer=HELD, settled_by=settled_by if settled else None)
    with pytest.raises((Conflict, LimitExceeded)) as refused:
        rules.check_settlement(hold, kind, amount_minor, past_expiry=past_expiry)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("kind", "amount_minor", "past_expiry"),
    [
        (TransferKind.POST_PENDING, None, False),
        (TransferKind.POST_PENDING, 1, False),
        (TransferKind.VOID_PENDING, None, True),
        (TransferKind.EXPIRE_PENDING, None, True),
    ],
)
def test_an_open_hold_can_be_settled(
    kind: TransferKind, amount_minor: int | None, past_expiry: bool
) -> None:
    rules.check_settlement(Hold(transfer=HELD), kind, amount_minor, past_expiry=past_expiry)


@pytest.mark.parametrize(
    "changes",
    [
        {"debit_account_id": "acc_other"},
        {"credit_account_id": "acc_other"},
        {"amount_minor": 499},
        {"currency": "EUR"},
        {"code": "fee"},
        {"operation_id": "pay_1"},
        {"kind": TransferKind.POSTED},
        {"expires_at": NOW},
    ],
)
def test_a_transfer_id_used_for_other_content_is_refused(changes: dict[str, object]) -> None:
    rules.check_same_transfer(transfer(), NEW, TransferKind.PENDING, None)
    with pytest.raises(IdempotencyMismatch):
        rules.check_same_transfer(transfer(**changes), NEW, TransferKind.PENDING, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"pending_id": new_id(TRANSFER)},
        {"kind": TransferKind.VOID_PENDING},
        {"amount_minor": 499},
    ],
)
def test_a_settlement_id_used_for_other_content_is_refused(changes: dict[str, object]) -> None:
    found = transfer(id=new_id(TRANSFER), kind=TransferKind.POST_PENDING, pending_id=HELD.id)
    rules.check_same_settlement(found, HELD, TransferKind.POST_PENDING, 500)
    with pytest.raises(IdempotencyMismatch):
        rules.check_same_settlement(
            replace(found, **changes),  # type: ignore[arg-type]
            HELD,
            TransferKind.POST_PENDING,
            500,
        )


NEW_ACCOUNT = NewAccount(
    id=new_id(ACCOUNT), name="Wallet", kind=AccountKind.LIABILITY, currency="USD", customer_id="c1"
)
ACCOUNT_FOUND = Account(
    id=NEW_ACCOUNT.id,
    name="Wallet",
    kind=AccountKind.LIABILITY,
    currency="USD",
    customer_id="c1",
    may_go_negative=False,
    status=AccountStatus.OPEN,
    created_at=NOW,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": AccountKind.ASSET},
        {"currency": "EUR"},
        {"customer_id": "c2"},
        {"may_go_negative": True},
    ],
)
def test_an_account_id_used_for_other_terms_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(IdempotencyMismatch):
        rules.check_same_account(
            ACCOUNT_FOUND,
            replace(NEW_ACCOUNT, **changes),  # type: ignore[arg-type]
        )


def test_an_account_may_be_sent_again_under_another_name() -> None:
    rules.check_same_account(ACCOUNT_FOUND, replace(NEW_ACCOUNT, name="Main wallet"))


@pytest.mark.parametrize("changes", [{"id": ""}, {"name": ""}, {"currency": "XXX"}])
def test_an_account_wrong_in_itself_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        rules.check_new_account(replace(NEW_ACCOUNT, **changes))  # type: ignore[arg-type]


EMPTY = Balance(normal_side=Side.CREDIT, credits_posted_minor=7, debits_posted_minor=7)


@pytest.mark.parametrize(
    "balance",
    [
        replace(EMPTY, credits_posted_minor=8),
        replace(EMPTY, debits_pending_minor=1),
        replace(EMPTY, credits_pending_minor=1),
    ],
)
def test_only_an_empty_account_can_be_closed(balance: Balance) -> None:
    rules.check_status_change(ACCOUNT_FOUND, AccountStatus.CLOSED, EMPTY)
    rules.check_status_change(ACCOUNT_FOUND, AccountStatus.FROZEN, balance)
    with pytest.raises(Conflict) as refused:
        rules.check_status_change(ACCOUNT_FOUND, AccountStatus.CLOSED, balance)
    assert refused.value.code == "account_not_empty"


def test_a_closed_account_stays_closed() -> None:
    closed = replace(ACCOUNT_FOUND, status=AccountStatus.CLOSED)
    with pytest.raises(Conflict) as refused:
        rules.check_status_change(closed, AccountStatus.OPEN, EMPTY)
    assert refused.value.code == "account_closed"
