"""What the workers need of bank syncs."""

from perdure.bank_sync.acceptance import BankSyncAcceptance
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.applying import BankSyncEnds
from perdure.bank_sync.contracts import AGGREGATOR
from perdure.bank_sync.looks import BankLooks
from perdure.bank_sync.process import FETCH_PAGE, run_bank_sync
from perdure.bank_sync.reading import BankPages
from perdure.bank_sync.settings import BankSyncSettings
from perdure.bank_sync.workflow import BankSyncWorkflow
from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.registration import registrations_of
from perdure.outside import use_of
from perdure.providers.aggregator import AGGREGATOR_ROLE


async def work(host: WorkerHost) -> Work:
    """Return what carries bank syncs out."""
    pages = BankPages(
        host.pool,
        host.outside.made(use_of(AGGREGATOR_ROLE, host.settings)),
        host.own(AccessTokens),
        page_max=host.settings.of(BankSyncSettings).sync_page,
    )
    ends = BankSyncEnds(host.steps, host.ledger, host.own(BankSyncAcceptance), host.begin)
    bodies = {
        FETCH_PAGE: pages.fetch_page,
        **BankLooks(host.pool, host.steps).bodies,
        **ends.bodies,
    }
    return Work(
        registrations=registrations_of(
            run_bank_sync, [BankSyncWorkflow], bodies, providers=[AGGREGATOR]
        )
    )
