"""Accounts, balances, deposits and ledger transfers as they are asked for and shown."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from perdure.api.schemas import (
    AmountMinor,
    Currency,
    CustomerId,
    PageQuery,
    Reference,
    RequestBody,
    Text,
)
from perdure.ledger.model import (
    Account,
    AccountKind,
    AccountStatus,
    Balance,
    Transfer,
    TransferKind,
)


class AccountBody(RequestBody):
    """An account to open for a customer."""

    customer_id: CustomerId
    currency: Currency
    name: Text = Field(description="For people.", examples=["Wallet"])


class DepositBody(RequestBody):
    """Money that arrived at the bank for an account."""

    amount_minor: AmountMinor
    currency: Currency
    reference: Reference | None = Field(
        default=None,
        description="The bank's or your own name for it: one deposit has it, for good.",
        examples=["bank-2026-11-21-7"],
    )


class AccountsQuery(PageQuery):
    """Which accounts."""

    customer_id: CustomerId | None = Field(default=None, description="Only this customer's.")


class AccountView(BaseModel):
    """An account of the ledger."""

    object: Literal["account"] = "account"
    id: str
    customer_id: str | None
    name: str
    kind: AccountKind
    currency: str
    status: AccountStatus
    may_go_negative: bool = Field(description="Whether more may leave it than is on it.")
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "AccountView":
        """Show one."""
        return cls(
            id=account.id,
            customer_id=account.customer_id,
            name=account.name,
            kind=account.kind,
            currency=account.currency,
            status=account.status,
            may_go_negative=account.may_go_negative,
            created_at=account.created_at,
        )


class BalanceView(BaseModel):
    """What is on an account, in minor units of its currency."""

    object: Literal["balance"] = "balance"
    account_id: str
    currency: str
    posted_minor: int = Field(description="What is on it, holds not counted.")
    pending_minor: int = Field(description="What is held on its way out.")
    available_minor: int = Field(description="What can leave it: posted less pending.")

    @classmethod
    def of(cls, account: Account, balance: Balance) -> "BalanceView":
        """Show one."""
        return cls(
            account_id=account.id,
            currency=account.currency,
            posted_minor=balance.posted_minor,
            pending_minor=balance.posted_minor - balance.available_minor,
            available_minor=balance.available_minor,
        )


class LedgerTransferView(BaseModel):
    """A transfer between two accounts of the ledger, never to change."""

    object: Literal["ledger_transfer"] = "ledger_transfer"
    id: str
    debit_account_id: str = Field(description="The account that is debited.")
    credit_account_id: str = Field(description="The account that is credited.")
    amount_minor: int
    currency: str
    code: str = Field(description="What it is for.")
    kind: TransferKind = Field(description="A transfer, a hold, or the end of one.")
    pending_id: str | None = Field(description="The hold that it settles.")
    operation_id: str | None
    expires_at: datetime | None = Field(description="Until when a hold lasts; null: it is none.")
    created_at: datetime

    @classmethod
    def of(cls, transfer: Transfer) -> "LedgerTransferView":
        """Show one."""
        return cls(
            id=transfer.id,
            debit_account_id=transfer.debit_account_id,
            credit_account_id=transfer.credit_account_id,
            amount_minor=transfer.amount_minor,
            currency=transfer.currency,
            code=transfer.code,
            kind=transfer.kind,
            pending_id=transfer.pending_id,
            operation_id=transfer.operation_id,
            expires_at=transfer.expires_at,
            created_at=transfer.created_at,
        )


class DepositView(BaseModel):
    """A deposit; its id is the transfer's."""

    object: Literal["deposit"] = "deposit"
    id: str
    account_id: str
    amount_minor: int
    currency: str
    reference: str | None
    created_at: datetime
