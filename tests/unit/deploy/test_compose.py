"""The compose file says what a validator of compose files cannot know (P-13)."""

import json
from typing import Any

import pytest
import yaml

from perdure.api.main import _DRAIN_S
from perdure.cli.machine import _Plan
from perdure.cli.simulated import simulated
from perdure.codec_server.settings import CodecServerSettings
from perdure.config import Settings
from perdure.core.ports import LOOPBACK
from perdure.durable.search_attributes import NAMES
from perdure.embedded.temporal import DYNAMIC_CONFIG

from .files import COMPOSE, ROOT, image_name, read, services
from .known_settings import known_settings

SERVICES = services()
OURS = {name: told for name, told in SERVICES.items() if image_name(told["image"]) == "perdure"}
WRITES_ITS_ROOT = {"temporal-ui": "its configuration, when it starts"}


def is_once(told: dict[str, Any]) -> bool:
    return str(told["restart"]).startswith("on-failure")


def version() -> str:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_an_exact_image_that_may_do_little(name: str) -> None:
    told = SERVICES[name]
    tag = told["image"].removeprefix(f"{image_name(told['image'])}:")
    assert any(character.isdigit() for character in tag), told["image"]
    assert "latest" not in tag
    assert told["user"].split(":")[0].isdigit()
    assert int(told["user"].split(":")[0]) > 0
    assert told["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in told["security_opt"]
    assert told["read_only"] is (name not in WRITES_ITS_ROOT)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_that_it_is_well_or_ends_by_itself(name: str) -> None:
    told = SERVICES[name]
    assert is_once(told) != ("healthcheck" in told)
    for needed, how in told.get("depends_on", {}).items():
        needs = "service_completed_successfully" if is_once(SERVICES[needed]) else "service_healthy"
        assert how == {"condition": needs}, f"{name} needs {needed}"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_a_secret_is_in_a_file(name: str) -> None:
    told, known = OURS[name], known_settings()
    assert told["image"] == f"perdure:{version()}"
    for variable, value in told["environment"].items():
        setting = variable.removesuffix("_FILE")
        assert setting in known, f"{name}: nobody reads {variable}"
        is_file = variable != setting
        assert is_file == str(value).startswith("/run/secrets/"), variable
        if is_file:
            assert value.removeprefix("/run/secrets/") in told["secrets"]


def test_no_secret_is_anybodys_variable() -> None:
    for name, told in SERVICES.items():
        for variable, value in told.get("environment", {}).items():
            is_secret = any(word in variable for word in ("PASSWORD", "PWD", "SECRET", "KEYS"))
            assert not is_secret or str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_every_process_of_perdure_up_is_a_service_p13() -> None:
    plan: Any = _Plan.__new__(_Plan)
    workers = {spec.name for spec in _Plan._workers(plan, 2)}
    outside = {one.simulator.name for one in simulated(Settings(), {})}
    assert set(OURS) == workers | outside | {"api", "migrate", "codec-server"}
    for name in workers:
        role = SERVICES[name]["command"][-1]
        assert name.removeprefix("worker-").rstrip("-12") == role


def test_prometheus_asks_every_process_that_has_metrics_p13() -> None:
    targets = COMPOSE.parent / "targets"
    asked = {
        address: one["labels"]["process"]
        for one in json.loads((targets / "perdure.json").read_text())
        for address in one["targets"]
    }
    workers = {name for name, told in OURS.items() if told["command"][0] in ("api", "worker")}
    ports = {name: SERVICES[name]["environment"]["PERDURE_METRICS_PORT"] for name in workers}
    assert asked == {f"{name}:{port}": name for name, port in ports.items()}
    temporal = SERVICES["temporal"]["environment"]["PROMETHEUS_ENDPOINT"].rpartition(":")[2]
    for name, port in (("temporal", temporal), ("alertmanager", "9093")):
        told = json.loads((targets / name / f"{name}.json").read_text())
        assert told == [{"targets": [f"{name}:{port}"]}]
    mounted = {volume.rsplit(":", 2)[1] for volume in SERVICES["prometheus"]["volumes"][:-1]}
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert mounted == {
        f"/etc/prometheus/{name}" for name in ("prometheus.yml", "targets", *config["rule_files"])
    }


def test_the_codec_server_lets_temporals_page_ask() -> None:
    page, port = SERVICES["temporal-ui"], CodecServerSettings.model_fields["port"].default
    assert page["environment"]["TEMPORAL_CODEC_ENDPOINT"] == f"http://localhost:{port}"
    asked_by = page["ports"][0].split(":")[1]
    told = SERVICES["codec-server"]
    origins = json.loads(told["environment"]["PERDURE_CODEC_SERVER_ORIGINS"])
    assert origins == [f"http://localhost:{asked_by}"]
    assert told["ports"] == [f"{LOOPBACK}:{port}:{port}"]


def test_the_simulators_are_where_the_processes_look_for_them() -> None:
    environment = SERVICES["api"]["environment"]
    for one in simulated(Settings(), {}):
        name = one.simulator.name
        assert SERVICES[name]["command"] == ["simulate", name, "--host", "0.0.0.0"]  # noqa: S104
        ports = {listener.port: listener.default for listener in one.listens}
        for variable, value in one.settings(ports).items():
            assert environment[variable].split() == value.replace(LOOPBACK, name).split()
        if one.role.callbacks:
            back = f"{one.role.prefix}CALLBACK_URL"
            assert environment[back] == f"http://api:8080{one.role.callbacks}"
            assert SERVICES[name]["environment"][back] == environment[back]


def test_every_mounted_file_and_every_secret_is_there() -> None:
    secrets = read(COMPOSE)["secrets"]
    made = (COMPOSE.parent / "make-secrets.sh").read_text()
    for name, told in SERVICES.items():
        for secret in told.get("secrets", ()):
            assert secret in secrets, f"{name}: {secret}"
        for volume in told.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (COMPOSE.parent / source).exists(), volume
    for secret, where in secrets.items():
        assert where == {"file": f"secrets/{secret}"}
        assert f"\nkeep {secret} " in made


def test_temporal_is_set_up_as_perdures_own_dev_server_is() -> None:
    folder = COMPOSE.parent / "temporal"
    dynamic = yaml.safe_load((folder / "dynamic.yaml").read_text())
    assert dynamic == {
        name: [{"value": json.loads(value)}] for name, value in DYNAMIC_CONFIG.items()
    }
    assert f"for name in {' '.join(NAMES)}; do" in (folder / "namespace.sh").read_text()
    tags = {told["image"] for told in SERVICES.values() if "temporalio/" in told["image"]}
    assert {tag.rpartition(":")[2] for tag in tags if "/ui" not in tag} == {"1.31.2"}


def test_a_worker_is_given_the_time_that_it_needs_to_stop() -> None:
    for told in OURS.values():
        grace = told.get("stop_grace_period", "10s")
        assert "stop_grace_period" not in told or int(grace.removesuffix("s")) > _DRAIN_S
