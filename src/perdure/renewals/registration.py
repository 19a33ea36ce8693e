"""What the workers need of renewals."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.registration import registrations_of
from perdure.operations.lanes.script import LaneScript
from perdure.providers.registry import RegistryDirectory, registry_name
from perdure.renewals.contracts import RenewalInput
from perdure.renewals.funding import FUNDED, RenewalFunds
from perdure.renewals.outside import uses
from perdure.renewals.process import run_renewal
from perdure.renewals.refunds import RegistryRefunds
from perdure.renewals.registry_calls import RegistryCalls
from perdure.renewals.settings import RenewalSettings
from perdure.renewals.workflow import RenewalWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries renewals out."""
    timeout_s = host.settings.of(RenewalSettings).registry_timeout_s
    registries = {use.tld: host.outside.made(use) for use in uses(host.settings)}
    named = {registry_name(tld): registry for tld, registry in registries.items()}
    funded = RenewalFunds(host.pool, host.steps, host.ledger, FUNDED)
    at_registries = RegistryCalls(
        host.pool,
        host.calls,
        host.steps,
        RegistryDirectory(registries),
        timeout_s=timeout_s,
    )
    bodies = {**funded.bodies, **at_registries.bodies}
    lane = LaneScript(run_renewal, RenewalInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations_of(run_renewal, [RenewalWorkflow], bodies, providers=named),
        lane=lane.run,
        refunds=RegistryRefunds(named, timeout_s=timeout_s),
    )
