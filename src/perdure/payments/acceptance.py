"""Taking payments in: refused at once, or stored and certain to reach an end."""

from typing import Final

from perdure.core.notes import correctable
from perdure.ledger.store import LedgerStore
from perdure.operations.funded_acceptance import FundedAcceptance
from perdure.payments.contracts import (
    ID_PREFIX,
    KIND,
    PaymentInput,
    PaymentOptions,
    PaymentRequest,
)
from perdure.payments.rules import PaymentLimits, check_limits, check_request
from perdure.storage.pool import Connection

VERB: Final = "pay"
"""What the customer wants to do, as messages about the account say it."""


class PaymentAcceptance(FundedAcceptance[PaymentRequest]):
    """Validates payments and stores those that may begin.

    Args:
        limits: The house's limits.
        callback_timeout_s: How long the gateway's confirmation is waited for, in seconds.
    """

    def __init__(
        self,
        ledger: LedgerStore[Connection],
        limits: PaymentLimits,
        *,
        callback_timeout_s: float = 300.0,
    ) -> None:
        self._limits = limits
        self._callback_timeout_s = callback_timeout_s
        super().__init__(
            ledger,
            kind=KIND,
            id_prefix=ID_PREFIX,
            verb=VERB,
            check_request=check_request,
            check_limits=lambda request: check_limits(request, limits),
            request_type=PaymentRequest,
            correctable=correctable(PaymentRequest),
            input_of=self._input_of_request,
        )

    def _input_of_request(self, operation_id: str, request: PaymentRequest) -> PaymentInput:
        options = PaymentOptions(
            self._callback_timeout_s, self._limits.daily.minor_of(request.currency)
        )
        return PaymentInput(operation_id, request, options)
