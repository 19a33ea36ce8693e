"""The ledger's rows in PostgreSQL, as what they stand for."""

import asyncpg

from perdure.ledger import rules
from perdure.ledger.model import (
    Account,
    AccountKind,
    AccountStatus,
    Balance,
    Transfer,
    TransferKind,
)


def account_of(row: asyncpg.Record) -> Account:
    """Return an account."""
    return Account(
        id=row["id"],
        name=row["name"],
        kind=AccountKind(row["kind"]),
        currency=row["currency"],
        customer_id=row["customer_id"],
        may_go_negative=row["may_go_negative"],
        status=AccountStatus(row["status"]),
        created_at=row["created_at"],
    )


def balance_of(row: asyncpg.Record) -> Balance:
    """Return what was debited and credited on an account."""
    # A sum of bigint columns arrives as a Decimal.
    return Balance(
        normal_side=AccountKind(row["kind"]).normal_side,
        debits_pending_minor=int(row["debits_pending_minor"]),
        debits_posted_minor=int(row["debits_posted_minor"]),
        credits_pending_minor=int(row["credits_pending_minor"]),
        credits_posted_minor=int(row["credits_posted_minor"]),
    )


def account_state_of(row: asyncpg.Record) -> rules.AccountState:
    """Return an account as the rules look at it."""
    return rules.AccountState(
        id=row["id"],
        currency=row["currency"],
        may_go_negative=row["may_go_negative"],
        status=AccountStatus(row["status"]),
        balance=balance_of(row),
    )


def transfer_of(row: asyncpg.Record) -> Transfer:
    """Return a transfer."""
    return Transfer(
        id=row["id"],
        debit_account_id=row["debit_account_id"],
        credit_account_id=row["credit_account_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        code=row["code"],
        kind=TransferKind(row["kind"]),
        pending_id=row["pending_id"],
        operation_id=row["operation_id"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
