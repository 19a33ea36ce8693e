"""All pools together hold no more connections than the database has, in a rollout too (R-12)."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from .files import (
    ROOT,
    TEMPORAL,
    TERRAFORM,
    environment,
    image_name,
    manifests,
    pods,
    read,
    services,
)
from .rendering import MANIFESTS

BESIDE_POOL: Final = 2
"""What a process holds beside its pool: one that listens, and one for a moment as it begins."""
OF_OTHERS: Final = 8
"""PostgreSQL keeps three for its superuser; the rest is the cloud's own, and a person's."""
TEMPORAL_SERVICES: Final = 4
BUILDS: Final = 2
"""How many builds the controller has at once, while one is rolled out."""


def held_by(variables: dict[str, Any]) -> int:
    return int(variables["PERDURE_DATABASE_POOL_SIZE"]) + BESIDE_POOL


def held_in_cluster(path: Path) -> int:
    """Return what Perdure's pods hold at most, those of a rollout included."""
    objects = manifests(path)
    rollouts = {each["metadata"]["name"]: each for each in objects}
    held = 0
    for name, replicas, pod in pods(objects):
        told, most = rollouts[name], replicas
        if told["kind"] == "WorkerDeployment":
            most = replicas * BUILDS
        elif told["kind"] == "Deployment":
            most = replicas + told["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        held += most * held_by(environment(pod["containers"][0]))
    return held


def held_by_temporal() -> int:
    server = read(TEMPORAL)["server"]
    assert server["deploymentStrategy"]["rollingUpdate"]["maxSurge"] == 0
    stores = server["config"]["persistence"]["datastores"].values()
    each: int = sum(store["sql"]["maxConns"] for store in stores)
    assert each == sum(store["sql"]["maxIdleConns"] for store in stores)
    return int(server["replicaCount"]) * TEMPORAL_SERVICES * each


def connections_of_terraform() -> int:
    text = "".join(path.read_text() for path in TERRAFORM)
    [found] = re.findall(r'name\s+= "max_connections"\s+value = "(\d+)"', text)
    return int(found)


@pytest.mark.parametrize("name", ["perdure", "perdure-controller"])
def test_all_pods_together_leave_the_database_some_r12(name: str) -> None:
    held = held_in_cluster(MANIFESTS / f"{name}.yaml") + held_by_temporal() + OF_OTHERS
    assert held <= connections_of_terraform(), f"{held} connections"


def test_all_services_of_compose_leave_the_database_some_r12() -> None:
    found = services()
    held = OF_OTHERS + sum(
        held_by(told["environment"])
        for told in found.values()
        if image_name(told["image"]) == "perdure"
        and "PERDURE_DATABASE_POOL_SIZE" in told["environment"]
    )
    temporal = found["temporal"]["environment"]
    per_service = int(temporal["SQL_MAX_CONNS"]) + int(temporal["SQL_VIS_MAX_CONNS"])
    held += TEMPORAL_SERVICES * per_service
    [limit] = re.findall(r"max_connections=(\d+)", " ".join(found["postgresql"]["command"]))
    assert held <= int(limit), f"{held} connections"


def test_a_worker_asks_for_no_more_than_ten_activities_a_connection() -> None:
    for path in MANIFESTS.glob("*.yaml"):
        for name, _, pod in pods(manifests(path)):
            found = environment(pod["containers"][0])
            slots = int(found.get("PERDURE_MAX_CONCURRENT_ACTIVITIES", 100))
            if "worker" in name:
                assert slots <= 10 * int(found["PERDURE_DATABASE_POOL_SIZE"])


def test_a_process_connects_beside_its_pool_where_we_count_it() -> None:
    """Who listens, who begins, and what runs alone: more would not be in the sums above."""
    folder = ROOT / "src" / "perdure"
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"storage\.connecting import .*\bconnect\b", path.read_text())
    }
    assert found == {
        "operations/lanes/calls.py",
        "storage/pool.py",
        "storage/indexes.py",
        "storage/migrate.py",
    }
