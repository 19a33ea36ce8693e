"""What the workers need of refunds."""

from collections.abc import Iterable

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.refunds.activities import RefundLedgerActivities, RefundProviderActivities
from perdure.refunds.process import CLOSE, FIND_OUT, GIVE_BACK, SETTLE
from perdure.refunds.workflow import RefundWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries refunds out, at the providers of the kinds that are refunded."""
    ledger = RefundLedgerActivities(host.steps, host.ledger, host.refundable)
    providers = [name for given in host.refunds.values() for name in given.providers]
    at_providers = RefundProviderActivities(host.calls, host.refunds)
    return Work(registrations=registrations(bodies_of(ledger, at_providers), providers))


def bodies_of(ledger: RefundLedgerActivities, at_providers: RefundProviderActivities) -> Bodies:
    """Return what does the work of a refund's steps."""
    return {
        GIVE_BACK: at_providers.give_back,
        FIND_OUT: at_providers.find_out,
        SETTLE: ledger.settle,
        CLOSE: ledger.close,
    }


def registrations(bodies: Bodies, providers: Iterable[str]) -> list[Registration]:
    """Return the work of the queues that refunds use.

    Args:
        providers: Those that give back, as in their queues' names.
    """
    return registrations_of([RefundWorkflow], bodies, providers=providers)
