"""What the workers need of refunds."""

from collections.abc import Iterable

from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.operations.kinds import OperationKind
from perdure.refunds.activities import RefundLedgerActivities, RefundProviderActivities
from perdure.refunds.contracts import ID_PREFIX, KIND, WORKFLOW
from perdure.refunds.workflow import RefundWorkflow

REFUNDS = OperationKind(KIND, ID_PREFIX, WORKFLOW)


def registrations(
    ledger: RefundLedgerActivities,
    at_providers: RefundProviderActivities,
    providers: Iterable[str],
) -> list[Registration]:
    """Return the work of the queues that refunds use.

    Args:
        providers: Those that give back, as in their queues' names.
    """
    return [
        Registration(OPERATIONS, [RefundWorkflow], [ledger.settle, ledger.close]),
        *(
            Registration(
                provider_queue(provider),
                activities=[at_providers.give_back, at_providers.find_out],
            )
            for provider in providers
        ),
    ]
