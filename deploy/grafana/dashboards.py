"""Writes Grafana's dashboard: `python deploy/grafana/dashboards.py` after a change here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITTEN = Path(__file__).with_name("perdure.json")
SOURCE = {"type": "prometheus", "uid": "${source}"}
COLUMNS, WIDTH, HEIGHT = 24, 8, 8


@dataclass(frozen=True)
class Panel:
    """A graph.

    Args:
        asks: What is asked of Prometheus, by how its lines are called.
    """

    title: str
    asks: dict[str, str]
    unit: str = "short"


def rate(metric: str, by: str) -> str:
    """Return how often something happens a second."""
    return f"sum by ({by}) (rate({metric}[5m]))"


def quantile(metric: str, by: str, of: float = 0.95) -> str:
    """Return below what most of them are."""
    return f"histogram_quantile({of}, sum by (le, {by}) (rate({metric}_bucket[5m])))"


def of_fleet(metric: str, by: str = "") -> str:
    """Return what one process tells of all: another's may be no number, which `max` leaves out."""
    return f"max by ({by}) ({metric})"


def or_none(expression: str) -> str:
    """Return a count of what there may never have been one of: it is 0 then, and not unknown."""
    return f"{expression} or vector(0)"


ROWS = {
    "Executions": [
        Panel("Accepted", {"{{kind}}": rate("perdure_operations_accepted_total", "kind")}, "ops"),
        Panel(
            "Ended",
            {"{{kind}} {{status}}": rate("perdure_operations_ended_total", "kind, status")},
            "ops",
        ),
        Panel(
            "Workflows",
            {
                "{{workflow_type}} completed": rate(
                    "temporal_workflow_completed_total", "workflow_type"
                ),
                "{{workflow_type}} failed": rate("temporal_workflow_failed_total", "workflow_type"),
            },
            "ops",
        ),
    ],
    "Failures": [
        Panel(
            "Operations that failed",
            {"{{kind}} {{code}}": rate("perdure_operation_failures_total", "kind, code")},
            "ops",
        ),
        Panel(
            "Broke down, of what ended",
            {
                "{{kind}}": f"{rate('perdure_operations_broken_down_total', 'kind')}"
                f" / {rate('perdure_operations_ended_total', 'kind')}"
            },
            "percentunit",
        ),
        Panel(
            "Activities' failed attempts",
            {
                "{{activity_type}}": or_none(
                    rate("temporal_activity_execution_failed_total", "activity_type")
                ),
                "{{activity_type}} (local)": or_none(
                    rate("temporal_local_activity_execution_failed_total", "activity_type")
                ),
            },
            "ops",
        ),
    ],
    "Workers": [
        Panel(
            "Slots in use",
            {
                "{{task_queue}} {{worker_type}}": "sum by (task_queue, worker_type)"
                " (temporal_worker_task_slots_used) / (sum by (task_queue, worker_type)"
                " (temporal_worker_task_slots_used) + sum by (task_queue, worker_type)"
                " (temporal_worker_task_slots_available))"
            },
            "percentunit",
        ),
        Panel(
            "Slots left",
            {
                "{{task_queue}} {{worker_type}}": "sum by (task_queue, worker_type)"
                " (temporal_worker_task_slots_available)"
            },
        ),
        Panel(
            "Left lanes",
            {
                "{{kind}} {{gear}} {{outcome}}": rate(
                    "perdure_lane_operations_left_total", "kind, gear, outcome"
                )
            },
            "ops",
        ),
    ],
    "Queues": [
        Panel(
            "Tasks that wait at Temporal",
            {"{{queue}}": of_fleet("perdure_task_queue_backlog", "queue")},
        ),
        Panel(
            "How long they have",
            {"{{queue}}": of_fleet("perdure_task_queue_backlog_age_seconds", "queue")},
            "s",
        ),
        Panel(
            "Operations in lanes",
            {"{{kind}} {{gear}}": of_fleet("perdure_lane_operations", "kind, gear")},
        ),
    ],
    "Latencies": [
        Panel(
            "Operations, 95%",
            {"{{kind}} {{status}}": quantile("perdure_operation_duration_seconds", "kind, status")},
            "s",
        ),
        Panel(
            "Workflows and activities, 95%",
            {
                "{{workflow_type}}": quantile(
                    "temporal_workflow_execution_time_seconds", "workflow_type"
                ),
                "{{activity_type}}": quantile(
                    "temporal_activity_execution_time_seconds", "activity_type"
                ),
                "{{activity_type}} (local)": quantile(
                    "temporal_local_activity_execution_latency_seconds", "activity_type"
                ),
            },
            "s",
        ),
        Panel(
            "The API's requests, 95%",
            {
                "{{method}} {{route}}": quantile(
                    "perdure_http_request_duration_seconds", "method, route"
                )
            },
            "s",
        ),
    ],
    "Money": [
        Panel(
            "Open",
            {"{{kind}} {{status}}": of_fleet("perdure_operations_open", "kind, status")},
        ),
        Panel(
            "The oldest",
            {"{{kind}} {{status}}": of_fleet("perdure_operations_oldest_seconds", "kind, status")},
            "s",
        ),
        Panel(
            "Owed",
            {
                "messages": "max(perdure_messages_owed)",
                "callbacks of {{provider}}": or_none(
                    of_fleet("perdure_callbacks_left", "provider")
                ),
            },
        ),
    ],
    "Providers": [
        Panel(
            "State",
            {"{{provider}} {{state}}": of_fleet("perdure_provider_state", "provider, state")},
        ),
        Panel(
            "Calls that are made or wait",
            {"{{provider}}": of_fleet("perdure_provider_calls_wanted", "provider")},
        ),
        Panel(
            "Latest calls that failed",
            {"{{provider}}": of_fleet("perdure_provider_failing_ratio", "provider")},
            "percentunit",
        ),
    ],
    "Processes": [
        Panel(
            "Database connections in use",
            {
                "{{instance}}": "perdure_database_connections_in_use"
                " / perdure_database_connections_max"
            },
            "percentunit",
        ),
        Panel(
            "The API's answers",
            {"{{status}}": rate("perdure_http_request_duration_seconds_count", "status")},
            "reqps",
        ),
        Panel(
            "Healed by the janitor",
            {"operations": "sum(rate(perdure_janitor_healed_total[5m]))"},
            "ops",
        ),
    ],
}


def asked() -> dict[str, dict[str, str]]:
    """Return what each panel asks, by its title."""
    return {panel.title: panel.asks for panels in ROWS.values() for panel in panels}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, row in ROWS.items():
        panels.append(_placed({"type": "row", "title": name, "collapsed": False}, 0, y, COLUMNS, 1))
        for place, panel in enumerate(row):
            panels.append(_placed(_graph(panel), place * WIDTH, y + 1, WIDTH, HEIGHT))
        y += HEIGHT + 1
    return {
        "uid": "perdure",
        "title": "Perdure",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }


def _graph(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "expr": expr, "legendFormat": name, "datasource": SOURCE}
        for place, (name, expr) in enumerate(panel.asks.items())
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _placed(panel: dict[str, Any], x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return panel | {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def text() -> str:
    """Return what the file holds."""
    return f"{json.dumps(dashboard(), indent=1)}\n"


if __name__ == "__main__":
    WRITTEN.write_text(text())
