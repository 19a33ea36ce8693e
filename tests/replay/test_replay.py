"""Runs begun under every recorded version of the logic go on under today's."""

import json
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from perdure.core.ids import new_id
from perdure.durable import versions
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.sandbox import sandboxed_runner
from perdure.payments import contracts
from perdure.payments.workflow import PaymentWorkflow
from perdure.storage.pool import Pool

from .broken_workflows import ChargesBeforeItHolds, WaitsBeforeItBegins
from .scenarios import HISTORIES, SCENARIOS, Scenario

VERSIONS = ("payment-v1", "payment-v2")
RECORDED = sorted(HISTORIES.glob("*/*.json"))
# Replaying runs no activity, so what would write has nothing to write with.
NO_POOL: Pool = None  # type: ignore[assignment]


def replayer(workflow_class: type) -> Replayer:
    return Replayer(
        workflows=[workflow_class],
        interceptors=[OperationSync(NO_POOL), Cancellation()],
        workflow_runner=sandboxed_runner(),
    )


def load(path: Path) -> WorkflowHistory:
    # Replaying needs an id of an operation, as the run had.
    return WorkflowHistory.from_json(new_id(contracts.ID_PREFIX), path.read_text())


def patch_markers(path: Path) -> set[str]:
    """Return the patch markers a history carries."""
    recorded = [event.marker_recorded_event_attributes for event in load(path).events]
    return {
        json.loads(marker.details["patch-data"].payloads[0].data)["id"]
        for marker in recorded
        if marker.marker_name == "core_patch"
    }


def test_every_version_has_every_scenario_and_no_other() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    for version in VERSIONS:
        assert {path.stem for path in (HISTORIES / version).glob("*.json")} == names
    assert {path.parent.name for path in RECORDED} == set(VERSIONS)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_run_goes_on_under_todays_logic_br10_fr10(path: Path) -> None:
    await replayer(PaymentWorkflow).replay_workflow(load(path))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_recorded_history_holds_what_it_is_there_for(scenario: Scenario) -> None:
    for version in VERSIONS:
        text = (HISTORIES / version / f"{scenario.name}.json").read_text()
        for event in scenario.holds:
            assert event in text, f"{version}/{scenario.name} holds no {event}"


def test_the_versions_differ_in_the_marker() -> None:
    for path in RECORDED:
        expected = {versions.PAYMENT_DAILY_LIMIT} if path.parent.name == "payment-v2" else set()
        assert patch_markers(path) == expected, path


@pytest.mark.parametrize("changed", [ChargesBeforeItHolds, WaitsBeforeItBegins])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_change_that_would_break_running_payments_is_found(
    changed: type, version: str
) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed).replay_workflow(load(HISTORIES / version / "succeeded.json"))
