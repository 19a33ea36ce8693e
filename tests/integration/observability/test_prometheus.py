"""A real Prometheus with the shipped configuration, beside the platform with some work."""

import asyncio
import json
import runpy
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.core import metrics
from perdure.core.ports import LOOPBACK, hold_port
from perdure.observability.runtime import METRICS_PORT, process_runtime
from perdure.storage.pool_metrics import measured
from tests.debian import program
from tests.documentation import ROOT
from tests.integration.payments.town import ENDED, Town, open_town, until_status
from tests.polls import eventually

DEPLOY: Final = ROOT / "deploy"
DASHBOARDS: Final[dict[str, Any]] = runpy.run_path(str(DEPLOY / "grafana" / "dashboards.py"))
TOKENS: Final = ("tok_ok", "tok_declined", "tok_flaky")


@workflow.defn
class Fails:
    """Ends as a failure, as none of the platform's does if it can be helped."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("It fails.", non_retryable=True)


@dataclass(frozen=True)
class Asked:
    """A Prometheus that collects.

    Args:
        target: Where it collects from.
    """

    http: httpx.AsyncClient
    target: str

    async def of(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression comes to now: a value for each set of labels."""
        answer = (await self.http.get("/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return [one for one in found if one["value"][1] != "NaN"]


@pytest.fixture(scope="module")
async def prometheus(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asked]:
    binary, folder = program("prometheus", "prometheus"), tmp_path_factory.mktemp("measured")
    with (
        hold_port(LOOPBACK, 0) as held,
        hold_port(LOOPBACK, 0) as of_prometheus,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(METRICS_PORT, str(held.number))
        runtime = process_runtime("worker-all", {"deployment": "tests", "build_id": "b1"})
        address = temporal_client.service_client.config.target_host
        client = await Client.connect(address, namespace=temporal_client.namespace, runtime=runtime)
        target = f"{LOOPBACK}:{held.number}"
        process = _started(binary, folder, target, of_prometheus.number)
        url = f"http://{LOOPBACK}:{of_prometheus.number}"
        try:
            async with (
                open_town(postgres_url, client, folder, gear="auto") as town,
                measured(town.platform.pool),
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
            ):
                working = asyncio.create_task(_work(town, client))
                try:
                    yield Asked(http, target)
                finally:
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)
        finally:
            metrics.collected_by(None)
            process.kill()
            process.wait()


def _started(binary: str, folder: Path, target: str, port: int) -> "subprocess.Popen[bytes]":
    """Start Prometheus with what is shipped, but for how often it collects."""
    shipped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    (folder / "prometheus.yml").write_text(shipped.replace("interval: 15s", "interval: 1s"))
    (folder / "alerts.yml").write_text((DEPLOY / "prometheus" / "alerts.yml").read_text())
    (folder / "targets").mkdir()
    targets = [{"targets": [target], "labels": {"process": "worker-all"}}]
    (folder / "targets" / "perdure.json").write_text(json.dumps(targets))
    return subprocess.Popen(
        [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _work(town: Town, client: Client) -> None:
    """Make payments of all sorts, in both gears, until cancelled."""
    account = await town.account(funds_minor=10_000_000)
    queue = f"fails-{uuid4().hex}"
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[Fails], workflow_runner=runner):
        while True:
            paid = [
                await town.pay(account, amount_minor=100, token=token, **gear)
                for token in TOKENS
                for gear in ({}, {"gear": "own_workflow"})
            ]
            with pytest.raises(WorkflowFailureError):
                await client.execute_workflow(Fails.run, id=uuid4().hex, task_queue=queue)
            for payment in paid:
                await until_status(town.platform, payment, ENDED)


E_10: Final = (
    "temporal_workflow_completed_total",
    "temporal_workflow_failed_total",
    "temporal_workflow_execution_time_seconds_count",
    "temporal_activity_execution_time_seconds_count",
    "temporal_worker_task_slots_available",
)


async def test_the_five_names_answer_with_what_tells_processes_apart_e10(prometheus: Asked) -> None:
    async def missing() -> list[str]:
        return [name for name in E_10 if not await prometheus.of(f"{name} > 0")]

    await _until_none(missing, within_s=180)
    for name in E_10:
        for found in await prometheus.of(name):
            told = {label: found["metric"][label] for label in ("role", "deployment", "build_id")}
            assert told == {"role": "worker-all", "deployment": "tests", "build_id": "b1"}


async def test_every_panel_has_data_in_each_of_its_lines(prometheus: Asked) -> None:
    asked: dict[str, dict[str, str]] = DASHBOARDS["asked"]()

    async def empty() -> list[str]:
        return [
            f"{title}: {expression}"
            for title, lines in asked.items()
            for expression in lines.values()
            if not await prometheus.of(expression)
        ]

    await _until_none(empty, within_s=180)


async def test_no_label_is_a_customers_or_an_operations(prometheus: Asked) -> None:
    told = (
        await prometheus.http.get("/api/v1/series", params={"match[]": '{job="perdure"}'})
    ).json()
    values = {value for one in told["data"] for value in one.values()}
    assert "/v1/payments" in values, "routes are as they are declared"
    assert not any(value.startswith(("pay_", "acc_", "cus_")) for value in values)


def test_the_dashboard_is_what_its_code_writes() -> None:
    written: Path = DASHBOARDS["WRITTEN"]
    assert (DEPLOY / "grafana" / "perdure.json").read_text() == DASHBOARDS["text"]()
    assert written.name == "perdure.json"


async def _until_none(look: Any, *, within_s: float) -> None:
    """Wait until nothing is missing; else say what is."""
    left: list[str] = []

    async def nothing() -> bool:
        nonlocal left
        try:
            left = await look()
        except httpx.TransportError:  # it is only starting
            return False
        return not left

    await eventually(nothing, within_s=within_s, pause_s=0.5, why_not=lambda: left)
