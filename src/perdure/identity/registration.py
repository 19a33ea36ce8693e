"""What the workers need of the identity service."""

from perdure.capability.wiring import WorkerHost
from perdure.durable.queues import OPERATIONS
from perdure.durable.registration import Registration, registrations_of
from perdure.identity.activities import IdentityActivities
from perdure.identity.contracts import IDENTITY
from perdure.identity.process import check_identity
from perdure.identity.recheck_workflow import RecheckWorkflow
from perdure.identity.rechecks import RecheckActivities
from perdure.outside import use_of
from perdure.providers.identity import IDENTITY_ROLE


def registrations(host: WorkerHost) -> list[Registration]:
    """Return the work of the identity service's queues."""
    use = use_of(IDENTITY_ROLE, host.settings)
    activities = IdentityActivities(
        host.pool,
        host.steps,
        host.calls,
        host.outside.made(use),
        callback_url=use.callback_url,
        timeout_s=use.timeout_s,
    )
    rechecks = RecheckActivities(host.pool)
    return [
        *registrations_of(
            check_identity, [RecheckWorkflow], activities.bodies, providers=[IDENTITY]
        ),
        Registration(OPERATIONS, activities=[rechecks.end_recheck]),
    ]
