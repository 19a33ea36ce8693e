"""The runtime of Temporal's SDK that a process has: where its log lines go, and its metrics.

Metrics are off until `PERDURE_METRICS_PORT` says where they are answered. What the SDK measures and
what we do (`core.metrics`) are then at one endpoint.
"""

import logging
from collections.abc import Mapping
from typing import Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
)

from perdure.core import metrics
from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK
from perdure.core.settings import EnvironmentSettings

METRICS_PORT: Final = "PERDURE_METRICS_PORT"

_QUICK_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Requests, steps, waits for a worker: milliseconds, unless something is wrong."""
_LONG_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
"""Operations and workflows: some wait for the outside for days."""
BUCKETS: Final[dict[str, tuple[float, ...]]] = {
    **dict.fromkeys(
        (
            "perdure_http_request_duration_seconds",
            "perdure_database_connection_wait_seconds",
            "temporal_request_latency",
            "temporal_long_request_latency",
            "temporal_workflow_task_schedule_to_start_latency",
            "temporal_workflow_task_execution_latency",
            "temporal_workflow_task_replay_latency",
            "temporal_activity_schedule_to_start_latency",
            "temporal_activity_execution_latency",
            "temporal_activity_succeed_endtoend_latency",
            "temporal_local_activity_execution_latency",
            "temporal_local_activity_succeed_endtoend_latency",
        ),
        _QUICK_S,
    ),
    **dict.fromkeys(
        ("perdure_operation_duration_seconds", "temporal_workflow_endtoend_latency"), _LONG_S
    ),
}
"""By the metric's name; the SDK's own end at times at which everything is well still."""


class MetricsSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_METRICS_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_METRICS_")

    host: str = LOOPBACK
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Where `/metrics` is answered; None: nowhere, and nothing is measured."""


def process_runtime(role: str, build: Mapping[str, str]) -> Runtime:
    """Return a process's runtime: what the SDK's core logs goes where all other lines go.

    Args:
        role: What the process does: `api`, `worker-operations`.
        build: What else its metrics are told apart by; what is empty is left out.

    Raises:
        ConfigurationError: A setting is wrong, or the port of its metrics is taken.
    """
    settings = MetricsSettings.read()
    forwarding = LogForwardingConfig(logging.getLogger("temporalio"))
    logs = LoggingConfig(LoggingConfig.default.filter, forwarding=forwarding)
    if settings.port is None:
        return Runtime(telemetry=TelemetryConfig(logging=logs))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    telemetry = TelemetryConfig(
        logging=logs,
        metrics=PrometheusConfig(
            f"{host}:{settings.port}",
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides=BUCKETS,
        ),
        global_tags={"role": role} | {name: value for name, value in build.items() if value},
        attach_service_name=False,
    )
    try:
        runtime = Runtime(telemetry=telemetry)
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"Metrics cannot be answered at {host}:{settings.port}: {error}. Set {METRICS_PORT} and"
            " PERDURE_METRICS_HOST to an address that is free.",
            param=METRICS_PORT,
        ) from error
    metrics.collected_by(runtime.metric_meter)
    return runtime
