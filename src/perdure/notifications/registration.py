"""What the workers need of the notification service."""

from perdure.durable.queues import NOTIFICATIONS, OPERATIONS
from perdure.durable.registration import Registration
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.workflow import NotificationWorkflow


def registrations(activities: NotificationActivities) -> list[Registration]:
    """Return the work of the notification service's queue, and what operations do themselves."""
    return [
        Registration(OPERATIONS, activities=[activities.deliver_first_try]),
        Registration(NOTIFICATIONS, [NotificationWorkflow], [activities.deliver]),
    ]
