"""The erasures whose histories are recorded and replayed."""

from typing import Any, Final

from temporalio.client import WorkflowHandle

from perdure.core.errors import PerdureError, TurnPending
from perdure.core.ids import new_id
from perdure.core.script import ScriptStep
from perdure.durable.queues import LANES
from perdure.durable.scope import CancelCall
from perdure.erasures import contracts
from perdure.erasures.contracts import Erased, ErasureInput, ErasureRequest
from perdure.erasures.workflow import ErasureWorkflow
from tests.workflows.scripted_steps import ScriptedKind, StepsScenario

from .bank_sync_scenarios import SIGNALLED, resume
from .scenarios import Scenario, let_it_run

STEPS: Final = (
    *(contracts.SETTLE_DOWN, contracts.ERASE_MENTIONS, contracts.EMPTY_FIELDS),
    *(contracts.RETIRE_KEYS, contracts.DELETE_KEYS, contracts.CLOSE),
)


def _erasure() -> tuple[str, ErasureInput]:
    operation_id = new_id(contracts.ID_PREFIX)
    return operation_id, ErasureInput(operation_id, ErasureRequest("cus_1"))


ERASURE: Final = ScriptedKind(
    ErasureWorkflow,
    contracts.WORKFLOW,
    _erasure,
    {LANES: tuple(ScriptStep(name, ErasureInput, Erased) for name in STEPS)},
    dict.fromkeys(STEPS, Erased(1)),
)


async def cancel(scenario: StepsScenario, handle: WorkflowHandle[Any, Any]) -> None:
    await scenario.world.until_called(contracts.SETTLE_DOWN)
    await handle.signal("cancel", CancelCall("ada", "Not wanted."))
    await handle.result()


ERASURE_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario(
        "erased",
        let_it_run,
        {
            contracts.SETTLE_DOWN: [
                TurnPending("It has not ended.", retry_after_s=0.01),
                Erased(),
            ]
        },
        holds=(contracts.DELETE_KEYS,),
    ),
    Scenario(
        "parked_then_resumed",
        resume,
        {contracts.EMPTY_FIELDS: [PerdureError("It broke."), Erased(1)]},
        holds=(SIGNALLED, contracts.DELETE_KEYS),
    ),
    Scenario(
        "called_off",
        cancel,
        {contracts.SETTLE_DOWN: TurnPending("It has not ended.", retry_after_s=60)},
        holds=(SIGNALLED, contracts.CLOSE),
    ),
]
