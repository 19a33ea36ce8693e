"""Balances and holds, as values."""

from datetime import UTC, datetime

import pytest

from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import (
    AccountKind,
    Balance,
    Hold,
    HoldState,
    Side,
    Transfer,
    TransferKind,
)


def transfer(kind: TransferKind, pending_id: str | None = None) -> Transfer:
    return Transfer(
        id="ltr_1",
        debit_account_id="acc_1",
        credit_account_id="acc_2",
        amount_minor=5,
        currency="USD",
        code="payment",
        kind=kind,
        pending_id=pending_id,
        operation_id=None,
        expires_at=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_wallet_grows_by_credits_and_counts_only_its_outgoing_holds() -> None:
    balance = Balance(
        normal_side=Side.CREDIT,
        credits_posted_minor=100,
        debits_posted_minor=30,
        debits_pending_minor=20,
        credits_pending_minor=500,
    )
    assert (balance.posted_minor, balance.available_minor) == (70, 50)


def test_a_bank_account_grows_by_debits_and_counts_only_its_outgoing_holds() -> None:
    balance = Balance(
        normal_side=Side.DEBIT,
        debits_posted_minor=100,
        credits_posted_minor=30,
        credits_pending_minor=20,
        debits_pending_minor=500,
    )
    assert (balance.posted_minor, balance.available_minor) == (70, 50)


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        (AccountKind.ASSET, Side.DEBIT),
        (AccountKind.EXPENSE, Side.DEBIT),
        (AccountKind.LIABILITY, Side.CREDIT),
        (AccountKind.INCOME, Side.CREDIT),
    ],
)
def test_each_kind_has_its_normal_side(kind: AccountKind, side: Side) -> None:
    assert kind.normal_side is side


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (TransferKind.POST_PENDING, HoldState.POSTED),
        (TransferKind.VOID_PENDING, HoldState.VOIDED),
        (TransferKind.EXPIRE_PENDING, HoldState.EXPIRED),
    ],
)
def test_a_hold_is_in_the_state_its_settlement_gave_it(
    kind: TransferKind, state: HoldState
) -> None:
    held = transfer(TransferKind.PENDING)
    assert Hold(transfer=held).state is HoldState.PENDING
    assert Hold(transfer=held, settled_by=transfer(kind, "ltr_1")).state is state


def test_every_system_account_has_a_kind_and_a_readable_id() -> None:
    assert {account: account.kind for account in SystemAccount}.keys() == set(SystemAccount)
    assert system_account_id(SystemAccount.GATEWAY_CLEARING, "EUR") == "sys_gateway_clearing_EUR"
