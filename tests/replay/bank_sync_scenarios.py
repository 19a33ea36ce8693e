"""The bank syncs whose histories are recorded and replayed."""

from typing import Any, Final

from temporalio.client import WorkflowHandle

from perdure.bank_sync import contracts, process
from perdure.bank_sync.contracts import (
    AGGREGATOR,
    BankSyncEnd,
    BankSyncInput,
    BankSyncRequest,
    CloseSync,
    Looked,
    Progress,
)
from perdure.bank_sync.workflow import BankSyncWorkflow
from perdure.core.errors import PerdureError, ProviderAway, ProviderDisagrees, Refused
from perdure.core.ids import new_id
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.scope import PARK, RESUME, CancelCall
from tests.workflows.scripted_steps import ScriptedKind, StepsScenario

from .scenarios import Scenario, let_it_run

CLOSED: Final = "EVENT_TYPE_MARKER_RECORDED"
SIGNALLED: Final = "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"
TWO_PAGES: Final = [Progress(1, 500), Progress(2, 620, has_more=False)]


def _sync() -> tuple[str, BankSyncInput]:
    operation_id = new_id(contracts.ID_PREFIX)
    return operation_id, BankSyncInput(operation_id, BankSyncRequest("cus_1", "bki_1"))


def _closed(given: CloseSync) -> BankSyncEnd:
    status = "cancelled" if given.failure.cancelled else "failed"
    return BankSyncEnd(status, failure=given.failure)


BANK_SYNC: Final = ScriptedKind(
    BankSyncWorkflow,
    contracts.WORKFLOW,
    _sync,
    {
        OPERATIONS: (
            *(process.ENRICH, process.CATEGORISE, process.DETECT_ANOMALIES),
            *(process.APPLY, process.CLOSE),
        ),
        provider_queue(AGGREGATOR): (process.FETCH_PAGE,),
    },
    {
        contracts.ENRICH: Looked(620, 620),
        contracts.CATEGORISE: Looked(620, 620),
        contracts.DETECT_ANOMALIES: Looked(620, 3),
        contracts.APPLY: BankSyncEnd("succeeded", 620, 600, 15, 5, 3),
        contracts.CLOSE: _closed,
    },
)


async def resume(scenario: StepsScenario, handle: WorkflowHandle[Any, Any]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal(RESUME)
    await handle.result()


async def cancel(scenario: StepsScenario, handle: WorkflowHandle[Any, Any]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "Not wanted."))
    await handle.result()


BANK_SYNC_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario("synced", let_it_run, {contracts.FETCH_PAGE: [*TWO_PAGES]}, holds=(contracts.APPLY,)),
    Scenario(
        "restarted",
        let_it_run,
        {contracts.FETCH_PAGE: [TWO_PAGES[0], Progress(restarts=1), *TWO_PAGES]},
        holds=(contracts.APPLY,),
    ),
    Scenario(
        "read_again",
        let_it_run,
        {contracts.FETCH_PAGE: [*(Progress(restarts=again) for again in (1, 2, 3, 4)), *TWO_PAGES]},
        holds=(contracts.APPLY,),
    ),
    Scenario(
        "parked_then_resumed",
        resume,
        {
            contracts.FETCH_PAGE: [
                TWO_PAGES[0],
                ProviderDisagrees("It gave that cursor before.", code="cursor_repeated"),
                TWO_PAGES[1],
            ]
        },
        holds=(SIGNALLED, contracts.APPLY),
    ),
    Scenario(
        "look_parked_then_resumed",
        resume,
        {
            contracts.FETCH_PAGE: [*TWO_PAGES],
            contracts.CATEGORISE: [PerdureError("It broke."), Looked(620, 620)],
        },
        holds=(SIGNALLED, contracts.APPLY),
    ),
    Scenario(
        "login_required",
        let_it_run,
        {contracts.FETCH_PAGE: Refused("Log in anew.", code="login_required")},
        holds=(CLOSED,),
    ),
    Scenario(
        "called_off",
        cancel,
        {contracts.FETCH_PAGE: ProviderAway("It is away.")},
        holds=(SIGNALLED, CLOSED),
    ),
]
