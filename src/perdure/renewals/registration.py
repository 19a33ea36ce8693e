"""What the workers need of renewals."""

from collections.abc import Iterable

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.operations.lanes.script import LaneScript
from perdure.providers.registry import RegistryDirectory, registry_name
from perdure.renewals.activities import RenewalLedgerActivities
from perdure.renewals.contracts import RenewalInput
from perdure.renewals.process import (
    CHECK_DOMAIN,
    CLOSE,
    HOLD_FEE,
    LET_STAND,
    READ_REPORT,
    RECORD,
    RENEW,
    RESOLVE_RENEWAL,
    UNDO_RENEWAL,
    run_renewal,
)
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
    bodies = bodies_of(ledger, at_registries)
    lane = LaneScript(run_renewal, RenewalInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations(bodies, named),
        lane=lane.run,
        refunds=RegistryRefunds(named, timeout_s=timeout_s),
    )


def bodies_of(ledger: RenewalLedgerActivities, registries: RenewalRegistryActivities) -> Bodies:
    """Return what does the work of a renewal's steps."""
    return {
        CHECK_DOMAIN: registries.check_domain,
        HOLD_FEE: ledger.hold_fee,
        RENEW: registries.renew,
        RESOLVE_RENEWAL: registries.resolve_renewal,
        READ_REPORT: registries.read_report,
        RECORD: ledger.record,
        UNDO_RENEWAL: registries.undo_renewal,
        LET_STAND: ledger.let_stand,
        CLOSE: ledger.close,
    }


def registrations(bodies: Bodies, registries: Iterable[str]) -> list[Registration]:
    """Return the work of the queues that renewals use.

    Args:
        registries: The registries' names, as in their queues'.
    """
    return registrations_of([RenewalWorkflow], bodies, providers=registries)
