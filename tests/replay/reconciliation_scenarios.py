"""The nights and the breaks whose histories are recorded and replayed."""

from datetime import UTC, datetime
from typing import Any, Final

from perdure.capability.contracts import End
from perdure.core.errors import Conflict, OperationCancelled, PerdureError, Refused
from perdure.core.ids import new_id
from perdure.core.script import ScriptStep
from perdure.durable.queues import LANES, OPERATIONS
from perdure.notifications.contracts import DELIVER
from perdure.reconciliation import contracts, process
from perdure.reconciliation.break_workflow import ReconciliationBreakWorkflow
from perdure.reconciliation.contracts import (
    Batch,
    BatchEnd,
    Batches,
    Begun,
    BreakInput,
    BreakRequest,
    Cut,
    ReadBooks,
    ReconciliationInput,
    ReconciliationOptions,
    ReconciliationProgress,
    ReconciliationRequest,
    Stage,
)
from perdure.reconciliation.workflow import ReconciliationWorkflow
from tests.workflows.scripted_steps import ScriptedKind, StepsScenario

from .bank_sync_scenarios import CLOSED, SIGNALLED, cancel, resume
from .scenarios import Scenario, let_it_run

CUTOFF: Final = datetime(2026, 11, 28, tzinfo=UTC)
SUCCEEDED: Final = End("succeeded")
OPTIONS: Final = ReconciliationOptions(batch=2, at_once=2, pause_s=0.1, run_batches=4)


def _night(progress: ReconciliationProgress | None = None) -> tuple[str, ReconciliationInput]:
    operation_id = new_id(contracts.ID_PREFIX)
    cutoff = CUTOFF if progress else None
    request = ReconciliationRequest("2026-11-27")
    return operation_id, ReconciliationInput(operation_id, request, OPTIONS, progress, cutoff)


NIGHT: Final = ScriptedKind(
    ReconciliationWorkflow,
    contracts.WORKFLOW,
    _night,
    {
        OPERATIONS: (
            ScriptStep(contracts.BEGIN, ReconciliationInput, Begun),
            ScriptStep(contracts.FINISH, ReconciliationInput, End),
            ScriptStep(contracts.CLOSE, ReconciliationInput, End),
        ),
        LANES: (
            ScriptStep(contracts.LOAD_FOLDER, str, int),
            ScriptStep(contracts.READ_BOOKS, ReadBooks, int),
            ScriptStep(contracts.STAGE, Stage, int),
            ScriptStep(contracts.CUT, Cut, Batches),
            ScriptStep(contracts.COMPARE, Batch, BatchEnd),
        ),
    },
    {
        contracts.BEGIN: Begun(CUTOFF, ["bank", "gateway"]),
        contracts.LOAD_FOLDER: 1,
        contracts.READ_BOOKS: 3,
        contracts.STAGE: 6,
        contracts.CUT: Batches(["acc_2", "acc_4", "acc_6"]),
        contracts.COMPARE: BatchEnd(2, 0),
        contracts.FINISH: SUCCEEDED,
        contracts.CLOSE: End("cancelled"),
    },
)

NIGHT_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario("clean", let_it_run, holds=(contracts.LOAD_FOLDER, contracts.COMPARE)),
    Scenario(
        "with_breaks",
        let_it_run,
        {
            contracts.COMPARE: [BatchEnd(2, 1), BatchEnd(2, 2), BatchEnd(2, 0)],
            contracts.FINISH: End("succeeded", notification_ids=["ntf_1"]),
        },
        holds=(DELIVER,),
    ),
    Scenario(
        "first_of_two_runs",
        let_it_run,
        {
            contracts.CUT: [
                Batches(["acc_2", "acc_4", "acc_6", "acc_8"]),
                Batches(["acc_9"]),
            ]
        },
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",),
    ),
    Scenario(
        "second_of_two_runs",
        let_it_run,
        {contracts.CUT: Batches(["acc_9"])},
        {"progress": ReconciliationProgress("acc_8", 8, 3)},
        holds=(contracts.COMPARE,),
    ),
    Scenario(
        "books_parked_then_resumed",
        resume,
        {contracts.READ_BOOKS: [PerdureError("They cannot be read."), 3]},
        holds=(SIGNALLED, contracts.COMPARE),
    ),
    Scenario(
        "called_off",
        cancel,
        {contracts.STAGE: PerdureError("It broke.")},
        holds=(SIGNALLED, CLOSED),
    ),
    Scenario(
        "ended_before",
        let_it_run,
        {
            contracts.FINISH: Conflict("It has ended.", code="operation_finished"),
            contracts.CLOSE: SUCCEEDED,
        },
        holds=(CLOSED,),
    ),
]


def _break() -> tuple[str, BreakInput]:
    operation_id = new_id(contracts.BREAK_ID_PREFIX)
    resolution: dict[str, Any] = {"how": "book", "account_id": "acc_1"}
    request = BreakRequest("bank", "sys_bank_USD", "2026-11-27", "rec_1", resolution=resolution)
    return operation_id, BreakInput(operation_id, request)


BREAK: Final = ScriptedKind(
    ReconciliationBreakWorkflow,
    contracts.BREAK_WORKFLOW,
    _break,
    {OPERATIONS: (process.RESOLVE, process.CLOSE)},
    {process.RESOLVE.name: SUCCEEDED, process.CLOSE.name: End("cancelled")},
)

BREAK_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario("resolved", let_it_run, holds=(CLOSED,)),
    Scenario(
        "not_carried_out",
        let_it_run,
        {process.RESOLVE.name: Refused("There is none.", code="account_not_found")},
        holds=(CLOSED,),
    ),
    Scenario(
        "dismissed",
        let_it_run,
        {process.RESOLVE.name: OperationCancelled("Never mind.")},
        holds=(CLOSED,),
    ),
]
