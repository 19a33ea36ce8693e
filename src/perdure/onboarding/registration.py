"""What the workers need of onboardings."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration, registrations_of
from perdure.identity import registration as identity
from perdure.onboarding.activities import OnboardingActivities
from perdure.onboarding.bank_links import BankLinkActivities
from perdure.onboarding.contracts import AGGREGATOR
from perdure.onboarding.follow_up_workflow import FollowUpWorkflow
from perdure.onboarding.process import run_onboarding
from perdure.onboarding.workflow import OnboardingWorkflow
from perdure.providers.aggregator import AGGREGATOR_ROLE


async def work(host: WorkerHost) -> Work:
    """Return what carries onboardings out, with the identity service that they ask."""
    activities = OnboardingActivities(host.pool, host.steps, host.ledger)
    links = BankLinkActivities(host.pool, host.outside.provider(AGGREGATOR_ROLE))
    return Work(
        registrations=[
            *registrations_of(
                run_onboarding,
                [OnboardingWorkflow, FollowUpWorkflow],
                activities.bodies,
                providers=[],
            ),
            Registration(OPERATIONS, activities=[activities.follow_up, links.leave_out]),
            Registration(provider_queue(AGGREGATOR), activities=[links.link_bank]),
            *identity.registrations(host),
        ]
    )
