"""How a transfer is refunded: the bank takes its payout back."""

from typing import Final

from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.operations.agreement import Expected
from perdure.operations.model import Operation
from perdure.operations.refunding import RefundableKind, RefundTerms
from perdure.providers.bank import Payout, PayoutBank
from perdure.refunds.contracts import GivenBack, RefundInput
from perdure.transfers.contracts import BANK, KIND


def _terms(operation: Operation) -> RefundTerms:
    request = operation.input["request"]
    currency = request["currency"]
    return RefundTerms(
        account_id=request["account_id"],
        taken_by=system_account_id(SystemAccount.BANK, currency),
        amount_minor=request["amount_minor"],
        currency=currency,
        provider=BANK,
    )


REFUNDABLE_TRANSFERS: Final = RefundableKind(
    KIND, _terms, told="customer", final_refusals=frozenset({"payout_not_recallable"})
)


class BankRecalls:
    """Payouts taken back at the bank, by the transfer's own reference.

    Args:
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, bank: PayoutBank, *, timeout_s: float) -> None:
        self._bank = bank
        self.providers = (BANK,)
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the payout taken back; see `RefundProvider.give_back`."""
        return _given(await self._bank.recall_payout(refund.request.refund_of), refund)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Look whether the payout was taken back; see `RefundProvider.find`."""
        payout = await self._bank.find_payout(refund.request.refund_of)
        return None if payout is None or payout.status == "paid" else _given(payout, refund)


def _given(payout: Payout, refund: RefundInput) -> GivenBack:
    request = refund.request
    Expected(
        BANK,
        {
            "reference": request.refund_of,
            "status": "recalled",
            "amount_minor": request.amount_minor,
            "currency": request.currency,
        },
    ).check(payout)
    return GivenBack({"payout_id": payout.id})
