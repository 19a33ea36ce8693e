"""Runs begun under every recorded version of the logic go on under today's."""

import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory

from perdure.operations.waiting import TRIES_MAX

from .broken_workflows import (
    AppliesBeforeItLooks,
    ChargesBeforeItHolds,
    PaysBeforeItHolds,
    RenewsBeforeItHolds,
    SettlesBeforeItGivesBack,
    UnblocksBeforeItReturns,
    WaitsBeforeItBegins,
)
from .recorded import HISTORIES, RECORDED, Recorded
from .replayed import replayer
from .scenarios import Scenario

CASES = [(recorded, scenario) for recorded in RECORDED for scenario in recorded.scenarios]
IDS = [f"{recorded.version}-{scenario.name}" for recorded, scenario in CASES]

TAKES_LONG = (
    *("reconciliation.", "erasure."),
    *(f"bank_sync.{step}" for step in ("enrich", "categorise", "detect_anomalies", "apply")),
)
"""Work on our own database that is more than some statements."""


def load(recorded: Recorded, scenario_name: str) -> WorkflowHistory:
    # Replaying needs the run's own id, by which its children are called.
    text = recorded.path(scenario_name).read_text()
    began = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(began["workflowId"], text)


def patch_markers(history: WorkflowHistory) -> set[str]:
    """Return the patch markers a history carries."""
    found = [event.marker_recorded_event_attributes for event in history.events]
    return {
        json.loads(marker.details["patch-data"].payloads[0].data)["id"]
        for marker in found
        if marker.marker_name == "core_patch"
    }


def test_every_version_has_every_scenario_and_no_other() -> None:
    found = {path.relative_to(HISTORIES) for path in HISTORIES.glob("*/*.json")}
    assert found == {
        recorded.path(scenario.name).relative_to(HISTORIES) for recorded, scenario in CASES
    }


@pytest.mark.parametrize(("recorded", "scenario"), CASES, ids=IDS)
async def test_a_recorded_run_goes_on_under_todays_logic_br10_fr10(
    recorded: Recorded, scenario: Scenario[Any]
) -> None:
    await replayer(recorded.workflow).replay_workflow(load(recorded, scenario.name))


@pytest.mark.parametrize(("recorded", "scenario"), CASES, ids=IDS)
def test_a_recorded_history_holds_what_it_is_there_for(
    recorded: Recorded, scenario: Scenario[Any]
) -> None:
    text = recorded.path(scenario.name).read_text()
    for event in scenario.holds:
        assert event in text, f"{recorded.version}/{scenario.name} holds no {event}"


def test_the_versions_differ_in_the_marker() -> None:
    for recorded, scenario in CASES:
        found = patch_markers(load(recorded, scenario.name))
        assert found - recorded.markers_of_some == recorded.markers, scenario.name


@pytest.mark.parametrize(
    ("version", "scenario_name", "changed"),
    [
        ("payment-v1", "succeeded", ChargesBeforeItHolds),
        ("payment-v1", "succeeded", WaitsBeforeItBegins),
        ("payment-v2", "succeeded", ChargesBeforeItHolds),
        ("payment-v2", "succeeded", WaitsBeforeItBegins),
        ("transfer-v1", "at_once", PaysBeforeItHolds),
        ("transfer-v1", "step_by_step", PaysBeforeItHolds),
        ("renewal-v1", "succeeded", RenewsBeforeItHolds),
        ("refund-v1", "succeeded", SettlesBeforeItGivesBack),
        ("trade_reversal-v1", "undone", UnblocksBeforeItReturns),
        ("bank_sync-v1", "synced", AppliesBeforeItLooks),
    ],
)
async def test_a_change_that_would_break_running_operations_is_found(
    version: str, scenario_name: str, changed: type
) -> None:
    (recorded,) = [found for found in RECORDED if found.version == version]
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed).replay_workflow(load(recorded, scenario_name))


@pytest.mark.parametrize(("recorded", "scenario"), CASES, ids=IDS)
def test_every_activity_ever_scheduled_has_the_common_policy_e6(
    recorded: Recorded, scenario: Scenario[Any]
) -> None:
    for event in load(recorded, scenario.name).events:
        if not event.HasField("activity_task_scheduled_event_attributes"):
            continue
        asked = event.activity_task_scheduled_event_attributes
        retry, name = asked.retry_policy, asked.activity_type.name
        assert retry.initial_interval.ToTimedelta() == timedelta(seconds=1)
        assert retry.backoff_coefficient == 2.0
        if name.startswith(TAKES_LONG):
            # A quarter of an hour, of which a recorded run has a minute in all.
            assert asked.start_to_close_timeout.ToTimedelta() == timedelta(minutes=1)
            assert asked.heartbeat_timeout.ToTimedelta() == timedelta(seconds=15)
            assert retry.maximum_interval.ToTimedelta() == timedelta(seconds=30)
            assert retry.maximum_attempts == 0
            continue
        assert asked.start_to_close_timeout.ToTimedelta() == timedelta(seconds=30)
        assert asked.heartbeat_timeout.ToTimedelta() == timedelta(seconds=5)
        of_kyc = name.startswith("identity.begin_check") and recorded.version == "onboarding-v1"
        assert retry.maximum_interval.ToTimedelta() == timedelta(seconds=5 if of_kyc else 60)
        # Where Temporal does not count the tries, their record does (`TRIES_MAX`). What is optional
        # is given up sooner.
        tries_max = 3 if name == "onboarding.link_bank" else TRIES_MAX
        assert retry.maximum_attempts in (0, tries_max)
        if recorded.version not in {"payment-v1", "payment-v2"}:  # errors said it by themselves
            assert {"InvalidInput", "InsufficientFunds"} <= {*retry.non_retryable_error_types}
