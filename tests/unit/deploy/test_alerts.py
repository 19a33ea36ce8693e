"""Each alert fires when what it is about happens, and is over when that is; asked of promtool.

A case is some minutes of what Prometheus collects: ten in which all is well, then what goes wrong,
then all well again.
"""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.debian import program
from tests.documentation import ROOT, command_lines, what_is_wrong
from tests.tidy.test_metrics import metrics_of_ours

from .files import read

RULES: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
WELL: Final = 10
"""How many minutes all is well before it is not."""


@dataclass(frozen=True)
class Case:
    """Something that goes wrong.

    Args:
        series: What is collected: of each three rows of values, before, meanwhile and afterwards.
        fires_after: How many minutes of it until the alert fires.
        lasts: How many it goes on for.
        over_after: How many minutes after that it is over.
        labels: The alert's, beside its name and severity.
    """

    series: dict[str, tuple[str, str, str]]
    fires_after: int
    lasts: int = 20
    over_after: int = 6
    labels: dict[str, str] = field(default_factory=dict)


def stands(well: float, ill: float) -> tuple[str, str, str]:
    """A gauge."""
    return f"{well}+0", f"{ill}+0", f"{well}+0"


def keeps_time() -> tuple[str, str, str]:
    """A moment that is told anew all the time, and stands still meanwhile."""
    return "0+60", f"{60 * (WELL - 1)}+0", f"{60 * (WELL + 20)}+60"


SLOTS: Final = '{task_queue="fraud",worker_type="ActivityWorker"}'
PROCESS: Final = '{instance="api:9464",job="perdure",role="api"}'

CASES: Final = {
    "UnknownTooOld": Case(
        {'perdure_operations_oldest_seconds{kind="payment",status="unknown"}': stands(20, 400)},
        fires_after=2,
        labels={"kind": "payment"},
    ),
    "OperationsParked": Case(
        {
            'perdure_operations_open{kind="payment",status="needs_attention"}': stands(0, 2),
            'perdure_operations_open{kind="payment",status="unknown"}': stands(3, 3),
        },
        fires_after=6,
        labels={"kind": "payment"},
    ),
    "ProviderAway": Case(
        {'perdure_provider_state{provider="bank",state="broken"}': stands(0, 1)},
        fires_after=3,
        labels={"provider": "bank"},
    ),
    "FailuresBurn": Case(
        {
            'perdure_operations_broken_down_total{kind="payment"}': ("0+0", "10+10", "200+0"),
            'perdure_operations_ended_total{kind="payment",status="failed"}': (
                "0+0",
                "10+10",
                "200+0",
            ),
            'perdure_operations_ended_total{kind="payment",status="succeeded"}': (
                "0+100",
                "1000+90",
                "2800+100",
            ),
            # Declined cards are no breakdown.
            'perdure_operations_broken_down_total{kind="renewal"}': stands(0, 0),
            'perdure_operations_ended_total{kind="renewal",status="failed"}': (
                "0+50",
                "500+50",
                "1500+50",
            ),
        },
        fires_after=8,
        labels={"kind": "payment"},
    ),
    "VerifyFailed": Case({"perdure_verify_violations": stands(0, 1)}, fires_after=1),
    "MessagesOwed": Case({"perdure_messages_oldest_seconds": stands(30, 4000)}, fires_after=6),
    "CallbacksBehind": Case(
        {'perdure_callbacks_oldest_seconds{provider="gateway"}': stands(1, 400)},
        fires_after=6,
        labels={"provider": "gateway"},
    ),
    "NoMetrics": Case(
        # Who told it says that it is no number any more: another was to take over.
        {"perdure_fleet_last_look_timestamp_seconds": ("0+60", "NaN+0", "1800+60")},
        fires_after=2,
    ),
    "JanitorBehind": Case(
        {"perdure_janitor_last_look_timestamp_seconds": keeps_time()}, fires_after=5
    ),
    "BacklogTooOld": Case(
        {'perdure_task_queue_backlog_age_seconds{queue="operations"}': stands(1, 90)},
        fires_after=3,
        labels={"queue": "operations"},
    ),
    "SlotsUnderTenPercent": Case(
        {
            f"temporal_worker_task_slots_available{SLOTS}": stands(90, 5),
            f"temporal_worker_task_slots_used{SLOTS}": stands(10, 95),
        },
        fires_after=3,
        labels={"task_queue": "fraud", "worker_type": "ActivityWorker"},
    ),
    "PoolSaturated": Case(
        {
            f"perdure_database_connections_in_use{PROCESS}": stands(3, 20),
            f"perdure_database_connections_max{PROCESS}": stands(20, 20),
            f"perdure_database_connection_wait_seconds_sum{PROCESS}": ("0+0", "20+20", "400+0"),
            f"perdure_database_connection_wait_seconds_count{PROCESS}": (
                "0+12",
                "120+12",
                "360+12",
            ),
        },
        fires_after=4,
        labels={"instance": "api:9464", "job": "perdure", "role": "api"},
    ),
    "PayloadKeyOld": Case(
        {"perdure_payload_key_since_timestamp_seconds": stands(0, -400 * 86_400)},
        fires_after=62,
        lasts=80,
    ),
}


def rules() -> dict[str, dict[str, Any]]:
    groups = read(RULES)["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def of_case(alert: str, case: Case) -> dict[str, Any]:
    """Return a case as promtool has it."""
    wrong_at, well_at = WELL, WELL + case.lasts
    firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    labels = {
        "alertname": alert,
        "alertstate": "firing",
        "severity": rules()[alert]["labels"]["severity"],
        **case.labels,
    }
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    moments = {wrong_at - 1: 0, wrong_at + case.fires_after: 1, well_at + case.over_after: 0}
    return {
        "interval": "1m",
        "input_series": [
            {
                "series": series,
                "values": f"{before}x{WELL - 1} {meanwhile}x{case.lasts - 1} {after}x30",
            }
            for series, (before, meanwhile, after) in case.series.items()
        ],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{moment}m",
                "exp_samples": [{"labels": f"ALERTS{{{named}}}", "value": 1}] * count,
            }
            for moment, count in moments.items()
        ],
    }


def test_each_alert_has_a_case() -> None:
    assert set(rules()) == set(CASES)


def test_each_alert_fires_and_is_over(tmp_path: Path) -> None:
    promtool, path = program("promtool", "prometheus"), tmp_path / "cases.yml"
    tests = [of_case(alert, case) for alert, case in CASES.items()]
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    path.write_text(json.dumps(told))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_is_found(tmp_path: Path) -> None:
    """The cases would tell: one that is asked of another rule fails."""
    promtool, path = program("promtool", "prometheus"), tmp_path / "cases.yml"
    spoiled = tmp_path / "alerts.yml"
    spoiled.write_text(RULES.read_text().replace("> 300", "> 3000"))
    tests = [of_case("UnknownTooOld", CASES["UnknownTooOld"])]
    told = {"rule_files": [str(spoiled)], "evaluation_interval": "1m", "tests": tests}
    path.write_text(json.dumps(told))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


@pytest.mark.parametrize("what", ["config prometheus.yml", "rules alerts.yml"])
def test_what_is_shipped_is_valid(what: str) -> None:
    kind, name = what.split()
    promtool = program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", kind, str(RULES.with_name(name))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_ask_for_metrics_that_there_are() -> None:
    ours = metrics_of_ours()
    for alert, rule in rules().items():
        for name in re.findall(r"perdure_\w+", rule["expr"]):
            assert re.sub("_(sum|count|bucket)$", "", name) in ours or name in ours, alert


SECTIONS: Final = ("What it means", "Look at", "Do", "Over when")


@pytest.mark.parametrize("alert", sorted(CASES))
def test_each_alert_has_a_page_with_commands_that_there_are(alert: str) -> None:
    path = ROOT / rules()[alert]["annotations"]["runbook"]
    text = path.read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(SECTIONS)
    lines = command_lines(text)
    assert lines, "it has no command"
    assert [problem for line in lines for problem in what_is_wrong(line)] == []


def test_there_is_no_page_of_an_alert_that_is_gone() -> None:
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {Path(rule["annotations"]["runbook"]).name for rule in rules().values()}
