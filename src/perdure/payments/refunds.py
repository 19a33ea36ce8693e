"""How a payment is refunded: the gateway gives its charge back."""

from typing import Final

from perdure.ledger.chart import SystemAccount
from perdure.operations.refunding import RefundableKind, all_that_was_asked
from perdure.payments.charges import Returned, find_given_back, give_back_the_rest
from perdure.payments.contracts import GATEWAY, KIND
from perdure.providers.gateway import PaymentGateway
from perdure.refunds.contracts import GivenBack, RefundInput

REFUNDABLE_PAYMENTS: Final = RefundableKind(
    KIND, all_that_was_asked(SystemAccount.GATEWAY_CLEARING, GATEWAY), told="payer"
)


class GatewayRefunds:
    """Refunds at the gateway, each under the refund's own id.

    Args:
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, gateway: PaymentGateway, *, timeout_s: float) -> None:
        self._gateway = gateway
        self.providers = (GATEWAY,)
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have given back what is left of the charge; see `RefundProvider.give_back`."""
        returned = await give_back_the_rest(
            self._gateway,
            reference=refund.operation_id,
            charge_reference=refund.request.refund_of,
            amount_minor=refund.request.amount_minor,
            currency=refund.request.currency,
        )
        return _given(refund, returned)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Ask for the refund under its id; see `RefundProvider.find`."""
        found = await find_given_back(
            self._gateway,
            reference=refund.operation_id,
            charge_reference=refund.request.refund_of,
            currency=refund.request.currency,
        )
        return _given(refund, found) if found else None


def _given(refund: RefundInput, returned: Returned) -> GivenBack:
    details = {"gateway_refund_id": returned.id} if returned.id else {}
    if before_minor := refund.request.amount_minor - returned.amount_minor:
        details["given_back_before_minor"] = str(before_minor)
    return GivenBack(details)
