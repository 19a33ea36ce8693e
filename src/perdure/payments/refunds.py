"""How a payment is refunded: the gateway gives its charge back."""

from typing import Final

from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.operations.model import Operation
from perdure.operations.refunding import RefundableKind, RefundTerms
from perdure.payments.contracts import GATEWAY, KIND
from perdure.providers.gateway import PaymentGateway
from perdure.refunds.contracts import GivenBack, RefundInput


def _terms(operation: Operation) -> RefundTerms:
    request = operation.input["request"]
    currency = request["currency"]
    return RefundTerms(
        account_id=request["account_id"],
        taken_by=system_account_id(SystemAccount.GATEWAY_CLEARING, currency),
        amount_minor=request["amount_minor"],
        currency=currency,
        provider=GATEWAY,
    )


REFUNDABLE_PAYMENTS: Final = RefundableKind(KIND, _terms, told="payer")


class GatewayRefunds:
    """Refunds at the gateway, each under the refund's own id.

    Args:
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, gateway: PaymentGateway, *, timeout_s: float) -> None:
        self._gateway = gateway
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the whole charge given back; see `RefundProvider.give_back`."""
        made = await self._gateway.refund(
            reference=refund.operation_id,
            charge_reference=refund.request.refund_of,
            amount_minor=refund.request.amount_minor,
        )
        return _given(made.id)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Ask for the refund under its id; see `RefundProvider.find`."""
        found = await self._gateway.find_refund(refund.operation_id)
        return _given(found.id) if found else None


def _given(refund_id: str) -> GivenBack:
    return GivenBack({"gateway_refund_id": refund_id})
