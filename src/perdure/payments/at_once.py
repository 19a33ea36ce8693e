"""A charge made where the payment's own workflow runs."""

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.limits.permits import PermitFor
from perdure.operations.first_tries import FirstTries
from perdure.payments.activities import PaymentGatewayActivities
from perdure.payments.contracts import CHARGE_AT_ONCE, GATEWAY, AtOnce, PaymentInput


class PaymentAtOnceActivities:
    """Makes the first try of a charge; any other is made by the gateway's queue.

    Args:
        first_tries: Says whether the gateway is quick enough to be called here.
        permit: Lets the call begin, if it may at once.
    """

    def __init__(
        self, gateway: PaymentGatewayActivities, first_tries: FirstTries, permit: PermitFor
    ) -> None:
        self._gateway = gateway
        self._first_tries = first_tries
        self._permit = permit

    @activity.defn(name=CHARGE_AT_ONCE)
    @records_its_attempts
    async def charge_at_once(self, payment: PaymentInput) -> AtOnce:
        """Have the gateway collect, if it is quick.

        Raises:
            PerdureError: As `charge` does.
        """
        return AtOnce(
            await self._first_tries.attempt(
                GATEWAY, self._permit, lambda: self._gateway.charge(payment)
            )
        )
