"""What the workers need of refunds."""

from collections.abc import Iterable

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.refunds.activities import RefundLedgerActivities, RefundProviderActivities
from perdure.refunds.workflow import RefundWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries refunds out, at the providers of the kinds that are refunded."""
    ledger = RefundLedgerActivities(host.steps, host.ledger, host.refundable)
    providers = [name for given in host.refunds.values() for name in given.providers]
    at_providers = RefundProviderActivities(host.calls, host.refunds)
    return Work(registrations=registrations(ledger, at_providers, providers))


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
