"""What the workers need of renewals."""

from collections.abc import Iterable

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.operations.lanes.script import LaneScript
from perdure.providers.registry import RegistryDirectory, registry_name
from perdure.renewals.contracts import RenewalInput
from perdure.renewals.funding import FUNDED, RenewalFunds
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
from perdure.renewals.registry_calls import RegistryCalls
from perdure.renewals.workflow import RenewalWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries renewals out."""
    registries, timeout_s = host.outside.registries, host.settings.registry_timeout_s
    named = {registry_name(tld): registry for tld, registry in registries.items()}
    funded = RenewalFunds(host.pool, host.steps, host.ledger, FUNDED)
    at_registries = RegistryCalls(
        host.pool,
        host.calls,
        host.steps,
        RegistryDirectory(registries),
        timeout_s=timeout_s,
    )
    bodies = bodies_of(funded, at_registries)
    lane = LaneScript(run_renewal, RenewalInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations(bodies, named),
        lane=lane.run,
        refunds=RegistryRefunds(named, timeout_s=timeout_s),
    )


def bodies_of(funded: RenewalFunds, registries: RegistryCalls) -> Bodies:
    """Return what does the work of a renewal's steps."""
    return {
        CHECK_DOMAIN: registries.check_domain,
        HOLD_FEE: funded.hold,
        RENEW: registries.renew,
        RESOLVE_RENEWAL: registries.resolve_renewal,
        READ_REPORT: registries.read_report,
        RECORD: funded.settle,
        UNDO_RENEWAL: registries.undo_renewal,
        LET_STAND: funded.let_stand,
        CLOSE: funded.close,
    }


def registrations(bodies: Bodies, registries: Iterable[str]) -> list[Registration]:
    """Return the work of the queues that renewals use.

    Args:
        registries: The registries' names, as in their queues'.
    """
    return registrations_of([RenewalWorkflow], bodies, providers=registries)
