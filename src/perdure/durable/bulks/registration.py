"""What the workers need of bulks."""

from perdure.core.ids import BULK
from perdure.durable.bulks.activities import BulkActivities
from perdure.durable.bulks.contracts import WORKFLOW
from perdure.durable.bulks.workflow import BulkWorkflow
from perdure.durable.queues import LANES, OPERATIONS
from perdure.durable.registration import Registration
from perdure.operations.bulk.model import KIND
from perdure.operations.kinds import OperationKind

BULKS = OperationKind(KIND, BULK, WORKFLOW)


def registrations(activities: BulkActivities) -> list[Registration]:
    """Return the work of the queues that bulks use: a flood goes where the floods go."""
    return [
        Registration(OPERATIONS, [BulkWorkflow]),
        Registration(LANES, activities=[activities.select, activities.run, activities.finish]),
    ]
