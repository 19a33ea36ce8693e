"""What the workers need of refunds."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies
from perdure.durable.registration import registrations_of
from perdure.refunds.activities import RefundLedgerActivities, RefundProviderActivities
from perdure.refunds.process import CLOSE, FIND_OUT, GIVE_BACK, SETTLE, run_refund
from perdure.refunds.workflow import RefundWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries refunds out, at the providers of the kinds that are refunded."""
    ledger = RefundLedgerActivities(host.steps, host.ledger, host.refundable)
    providers = [name for given in host.refunds.values() for name in given.providers]
    at_providers = RefundProviderActivities(host.calls, host.refunds)
    bodies: Bodies = {
        GIVE_BACK: at_providers.give_back,
        FIND_OUT: at_providers.find_out,
        SETTLE: ledger.settle,
        CLOSE: ledger.close,
    }
    return Work(
        registrations=registrations_of(run_refund, [RefundWorkflow], bodies, providers=providers)
    )
