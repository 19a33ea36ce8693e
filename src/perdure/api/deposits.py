"""Money paid in: a transfer from the bank's account, and the record of who reported it."""

from perdure.api.account_schemas import DepositBody, DepositView
from perdure.core.errors import IdempotencyMismatch, InvalidInput
from perdure.core.ids import TRANSFER, new_id
from perdure.core.money import check_currency
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import Account, AccountKind, NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.storage.pool import Connection


async def record_deposit(
    connection: Connection,
    ledger: LedgerStore[Connection],
    account: Account,
    deposit: DepositBody,
    *,
    actor: str,
) -> DepositView:
    """Pay in; a reference that came before returns that deposit.

    Raises:
        InvalidInput: `not_a_customer_account`, `unknown_currency`, `currency_mismatch`,
            `invalid_amount`.
        IdempotencyMismatch: The reference is that of another deposit of the account.
        Refused: `account_not_open`.
    """
    if account.customer_id is None or account.kind is not AccountKind.LIABILITY:
        raise InvalidInput(
            f"{account.id} is not a customer's account; only those are paid into.",
            code="not_a_customer_account",
            param="id",
        )
    if check_currency(deposit.currency) != account.currency:
        raise InvalidInput(
            f"Account {account.id} is in {account.currency}; pay in that.",
            code="currency_mismatch",
            param="currency",
        )
    transfer_id = await _transfer_id(connection, account.id, deposit.reference, actor)
    new = NewTransfer(
        id=transfer_id,
        debit_account_id=system_account_id(SystemAccount.BANK, deposit.currency),
        credit_account_id=account.id,
        amount_minor=deposit.amount_minor,
        currency=deposit.currency,
        code="deposit",
    )
    try:
        posted = await ledger.post(connection, new)
    except IdempotencyMismatch as error:
        raise IdempotencyMismatch(
            f"{transfer_id} already has this reference, with another amount; use a new reference.",
            param="reference",
        ) from error
    return DepositView(
        id=transfer_id,
        account_id=account.id,
        amount_minor=deposit.amount_minor,
        currency=deposit.currency,
        reference=deposit.reference,
        created_at=posted.transfer.created_at,
    )


async def _transfer_id(
    connection: Connection, account_id: str, reference: str | None, actor: str
) -> str:
    """Return the id of the deposit's transfer: a new one, or the one its reference had before."""
    new: str | None = await connection.fetchval(
        "INSERT INTO deposits (transfer_id, account_id, reference, actor) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (account_id, reference) DO NOTHING RETURNING transfer_id",
        new_id(TRANSFER),
        account_id,
        reference,
        actor,
    )
    if new is not None:
        return new
    stored: str = await connection.fetchval(
        "SELECT transfer_id FROM deposits WHERE account_id = $1 AND reference = $2",
        account_id,
        reference,
    )
    return stored
