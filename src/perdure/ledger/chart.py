"""The house's own accounts, one of each per currency.

A customer's wallet is a liability: we owe what is on it. Money in is a debit of the bank and a
credit of the wallet. A payment out through a gateway is a debit of the wallet and a credit of the
gateway's clearing account: the gateway has paid for us, and until it collects we owe it instead of
the customer. When it collects, its clearing account is debited and the bank credited. So a clearing
account returns to zero once everything is settled, and what is left on it is what reconciliation
has to explain.
"""

from collections.abc import Iterable
from enum import StrEnum

from perdure.ledger.model import AccountKind, NewAccount
from perdure.ledger.store import LedgerStore, Session_contra


class SystemAccount(StrEnum):
    """What each of the house's accounts is for."""

    BANK = "bank"
    """Our money at the bank."""
    GATEWAY_CLEARING = "gateway_clearing"
    """What we owe the payment gateway for payments it made and has not collected."""
    ASSETS_CLEARING = "assets_clearing"
    """What we owe the market for assets bought and not settled."""
    REGISTRY_CLEARING = "registry_clearing"
    """What we owe registries for domains renewed and not billed."""
    FEES = "fees"
    """What customers paid us for our services."""
    PROVIDER_COSTS = "provider_costs"
    """What outside systems charged us."""
    WRITE_OFFS = "write_offs"
    """What did not agree with a statement, and was not worth the trouble."""

    @property
    def kind(self) -> AccountKind:
        """The account's kind."""
        return _KINDS[self]


_KINDS = {
    SystemAccount.BANK: AccountKind.ASSET,
    SystemAccount.GATEWAY_CLEARING: AccountKind.LIABILITY,
    SystemAccount.ASSETS_CLEARING: AccountKind.LIABILITY,
    SystemAccount.REGISTRY_CLEARING: AccountKind.LIABILITY,
    SystemAccount.FEES: AccountKind.INCOME,
    SystemAccount.PROVIDER_COSTS: AccountKind.EXPENSE,
    SystemAccount.WRITE_OFFS: AccountKind.EXPENSE,
}


def system_account_id(account: SystemAccount, currency: str) -> str:
    """Return the fixed id of a house account: `sys_bank_USD`."""
    return f"sys_{account}_{currency}"


async def ensure_system_accounts(
    ledger: LedgerStore[Session_contra], session: Session_contra, currencies: Iterable[str]
) -> None:
    """Open the house's accounts that are missing in these currencies.

    They may go negative: a bank overdraft or a prefunded gateway is a fact to record, and an
        account without a floor takes many transfers at once.

    Raises:
        InvalidInput: `unknown_currency`.
        IdempotencyMismatch: An account with such an id is there, and is another one.
    """
    # In one order, so that two processes starting at once do not wait for each other.
    for currency in sorted(set(currencies)):
        for account in SystemAccount:
            await ledger.open_account(
                session,
                NewAccount(
                    id=system_account_id(account, currency),
                    name=f"{account.replace('_', ' ').capitalize()} {currency}",
                    kind=account.kind,
                    currency=currency,
                    may_go_negative=True,
                ),
            )
