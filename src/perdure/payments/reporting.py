"""Reports on payments from the engine itself: asks a payment's workflow where it stands."""

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import NotFound, ProviderUnavailable
from perdure.payments.contracts import STATUS, PaymentStatus


class PaymentReporting:
    """Queries workflows. Lists and reports read the database; this is the engine's own word."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def status(self, payment_id: str) -> PaymentStatus:
        """Return the status as the payment's workflow tells it.

        Raises:
            NotFound: `workflow_not_found`.
            ProviderUnavailable: `workflow_not_answering`: no worker runs it now.
        """
        handle = self._client.get_workflow_handle(payment_id)
        try:
            answer: str = await handle.query(STATUS, result_type=str)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise NotFound(
                    f"There is no workflow {payment_id}.", code="workflow_not_found", param="id"
                ) from error
            raise _not_answering(payment_id) from error
        except WorkflowQueryFailedError as error:
            raise _not_answering(payment_id) from error
        return PaymentStatus(answer)


def _not_answering(payment_id: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"The workflow {payment_id} does not answer now; see that a worker runs, and ask again.",
        code="workflow_not_answering",
    )
