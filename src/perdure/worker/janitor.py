"""The janitor of an operations worker, with the chores of every capability."""

from datetime import timedelta
from functools import partial

from perdure.bootstrap import Platform
from perdure.legacy.comparing import compare_ended
from perdure.notifications.redelivery import NotificationRedelivery
from perdure.operations.archive import Archive
from perdure.operations.breakdowns import forget_old
from perdure.operations.deadlines import Deadlines
from perdure.operations.janitor import Janitor, JanitorTimes


def janitor(platform: Platform) -> Janitor:
    """Return the janitor of an operations worker."""
    settings = platform.settings
    redelivery = NotificationRedelivery(platform.pool, platform.client, platform.queues)
    archive_after = timedelta(days=settings.archive_after_days) or None
    deadlines = Deadlines(platform.pool, platform.operations.actions)
    return Janitor(
        platform.pool,
        platform.engine,
        chores=[
            *platform.kinds.chores,
            *platform.ledger_chores,
            redelivery.redeliver,
            deadlines.cancel_overdue,
            partial(forget_old, platform.pool),
            partial(compare_ended, platform.pool),
            Archive(platform.pool, archive_after).look,
        ],
        times=JanitorTimes(
            interval_s=settings.janitor_interval_s, stale_after_s=settings.janitor_stale_after_s
        ),
    )
