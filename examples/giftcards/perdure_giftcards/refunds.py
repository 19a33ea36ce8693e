"""How a giftcard is refunded: the provider takes its order back."""

from typing import Final

from perdure import (
    Expected,
    GivenBack,
    Operation,
    RefundableKind,
    RefundInput,
    RefundTerms,
    system_account_id,
)
from perdure_giftcards.contracts import KIND, PROVIDER
from perdure_giftcards.funding import TAKEN_BY
from perdure_giftcards.provider import GiftcardProvider, Order


def _terms(operation: Operation) -> RefundTerms:
    request = operation.input["request"]
    return RefundTerms(
        account_id=request["account_id"],
        taken_by=system_account_id(TAKEN_BY, request["currency"]),
        amount_minor=request["amount_minor"],
        currency=request["currency"],
        provider=PROVIDER,
    )


REFUNDABLE_GIFTCARDS: Final = RefundableKind(KIND, _terms, told="customer")


class GiftcardRefunds:
    """Orders taken back, by the giftcard's own reference.

    Args:
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, provider: GiftcardProvider, *, timeout_s: float) -> None:
        self._provider = provider
        self.providers = (PROVIDER,)
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the order taken back; see `RefundProvider.give_back`."""
        return _given(await self._provider.revoke(refund.request.refund_of), refund)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Look whether the order was taken back; see `RefundProvider.find`."""
        order = await self._provider.find(refund.request.refund_of)
        return None if order is None or order.status != "revoked" else _given(order, refund)


def _given(order: Order, refund: RefundInput) -> GivenBack:
    request = refund.request
    says = {
        "reference": request.refund_of,
        "status": "revoked",
        "amount_minor": request.amount_minor,
        "currency": request.currency,
    }
    Expected(PROVIDER, says).check(order)
    return GivenBack({"order_id": order.id})
