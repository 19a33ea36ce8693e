"""What the workers need of the fraud service."""

from perdure.durable.queues import FRAUD, provider_queue
from perdure.durable.registration import Registration
from perdure.fraud.activities import FraudActivities
from perdure.fraud.contracts import SCORER
from perdure.fraud.workflow import FraudCheckFirstTryWorkflow, FraudCheckWorkflow


def registrations(activities: FraudActivities) -> list[Registration]:
    """Return the work of the fraud service's queues."""
    return [
        Registration(
            FRAUD, [FraudCheckFirstTryWorkflow, FraudCheckWorkflow], [activities.score_first_try]
        ),
        Registration(provider_queue(SCORER), activities=[activities.score]),
    ]
