"""What the workers need of reconciliations and breaks."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.money import AmountLimit
from perdure.core.script import Bodies
from perdure.durable.queues import LANES, OPERATIONS
from perdure.durable.registration import Registration, registrations_of
from perdure.reconciliation.break_workflow import ReconciliationBreakWorkflow
from perdure.reconciliation.breaks.resolving import BreakResolver
from perdure.reconciliation.process import CLOSE, RESOLVE, run_break
from perdure.reconciliation.run.activities import ReconciliationActivities
from perdure.reconciliation.settings import ReconciliationSettings
from perdure.reconciliation.sources import book_sources, uses_of
from perdure.reconciliation.workflow import ReconciliationWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries reconciliations out: a flood goes where the floods go.

    Raises:
        ConfigurationError: The settings name books that nobody tells.
    """
    settings = host.settings.of(ReconciliationSettings)
    sources = book_sources(settings)
    activities = ReconciliationActivities(
        host.pool, host.steps, sources, uses_of(sources, host.settings), settings
    )
    return Work(
        registrations=[
            Registration(
                OPERATIONS,
                [ReconciliationWorkflow],
                [activities.begin, activities.finish, activities.close],
            ),
            Registration(
                LANES,
                activities=[
                    activities.load_folder,
                    activities.read_books,
                    activities.stage,
                    activities.cut,
                    activities.compare,
                    activities.compare_stretch,
                ],
            ),
        ]
    )


async def work_of_breaks(host: WorkerHost) -> Work:
    """Return what resolves breaks."""
    settings = host.settings.of(ReconciliationSettings)
    resolver = BreakResolver(
        host.steps,
        host.ledger,
        excused_days=settings.excused_days,
        write_off=AmountLimit(settings.write_off_minor_max),
    )
    bodies: Bodies = {RESOLVE: resolver.resolve, CLOSE: resolver.dismiss}
    return Work(
        registrations=registrations_of(
            run_break, [ReconciliationBreakWorkflow], bodies, providers=[]
        )
    )
