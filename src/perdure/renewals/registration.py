"""What the workers need of renewals."""

from collections.abc import Iterable

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.providers.registry import RegistryDirectory, registry_name
from perdure.renewals.activities import RenewalLedgerActivities
from perdure.renewals.lane import RenewalLane
from perdure.renewals.refunds import RegistryRefunds
from perdure.renewals.registry_activities import RenewalRegistryActivities
from perdure.renewals.workflow import RenewalWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries renewals out."""
    registries, timeout_s = host.outside.registries, host.settings.registry_timeout_s
    named = {registry_name(tld): registry for tld, registry in registries.items()}
    ledger = RenewalLedgerActivities(host.pool, host.steps, host.ledger)
    at_registries = RenewalRegistryActivities(
        host.pool,
        host.calls,
        host.steps,
        RegistryDirectory(registries),
        timeout_s=timeout_s,
    )
    return Work(
        registrations=registrations(ledger, at_registries, named),
        lane=RenewalLane(ledger, at_registries, host.deliver, host.permit).run,
        refunds=RegistryRefunds(named, timeout_s=timeout_s),
    )


def registrations(
    ledger: RenewalLedgerActivities,
    at_registries: RenewalRegistryActivities,
    registries: Iterable[str],
) -> list[Registration]:
    """Return the work of the queues that renewals use.

    Args:
        registries: The registries' names, as in their queues': each has a queue of its own, so that
            a slow one holds up no other.
    """
    return [
        Registration(
            OPERATIONS,
            [RenewalWorkflow],
            [ledger.hold_fee, ledger.record, ledger.let_stand, ledger.close],
        ),
        *(
            Registration(
                provider_queue(registry),
                activities=[
                    at_registries.check_domain,
                    at_registries.renew,
                    at_registries.resolve_renewal,
                    at_registries.read_report,
                    at_registries.undo_renewal,
                ],
            )
            for registry in registries
        ),
    ]
