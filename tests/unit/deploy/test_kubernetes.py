"""What the chart puts into a cluster (E-11), as it was rendered: `make manifests`."""

import copy
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest

from perdure.api.main import _DRAIN_S
from perdure.operations.lanes.interactive import _ENDS_S_MAX
from perdure.operations.lanes.work import LaneLimits
from perdure.worker.main import _DRAIN

from .files import TEMPORAL, environment, manifests, pods, read
from .known_settings import known_settings
from .rendering import MANIFESTS, VARIANTS

KUBERNETES: Final = "1.34"
FILES: Final = [MANIFESTS / f"{name}.yaml" for name in VARIANTS]
EACH: Final = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def of_kind(path: Path, kind: str) -> list[dict[str, Any]]:
    return [each for each in manifests(path) if each["kind"] == kind]


def named(path: Path, kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in of_kind(path, kind) if each["metadata"]["name"] == name]
    return found


def as_kubernetes_knows_it(told: dict[str, Any]) -> dict[str, Any]:
    """Return a worker deployment of the controller as the plain one with the same pods."""
    if told["kind"] != "WorkerDeployment":
        return told
    spec, template = told["spec"], told["spec"]["template"]
    selector = {"matchLabels": template["metadata"]["labels"]}
    plain = {"replicas": spec["replicas"], "template": template, "selector": selector}
    return told | {"apiVersion": "apps/v1", "kind": "Deployment", "spec": plain}


def validate(told: dict[str, Any]) -> None:
    kubernetes_validate.validate(as_kubernetes_knows_it(told), KUBERNETES, strict=True)


@EACH
def test_the_manifests_are_kubernetes_own(path: Path) -> None:
    for told in manifests(path):
        if told["kind"] != "Connection":
            validate(told)


def test_a_mistake_in_a_manifest_is_found() -> None:
    told = named(FILES[0], "Deployment", "perdure-worker-all")
    validate(told)
    for mistake in ({"replica": 5}, {"replicas": "five"}):
        worse = copy.deepcopy(told)
        worse["spec"] |= mistake
        with pytest.raises(kubernetes_validate.ValidationError):
            validate(worse)


def test_five_workers_have_what_they_are_to_have_e11() -> None:
    spec = named(FILES[0], "Deployment", "perdure-worker-all")["spec"]
    assert spec["replicas"] == 5
    [container] = spec["template"]["spec"]["containers"]
    resources = container["resources"]
    without_disk = {
        kind: {name: value for name, value in told.items() if name != "ephemeral-storage"}
        for kind, told in resources.items()
    }
    assert without_disk == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    }
    found = environment(container)
    assert {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_URL_FILE"} <= found.keys()
    assert "PERDURE_QUEUES" in known_settings()
    assert container["args"] == ["worker", "--role", "all"]


def test_temporal_has_three_of_each_service_on_postgresql_e11() -> None:
    server = read(TEMPORAL)["server"]
    assert server["replicaCount"] == 3
    assert server["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    for store in server["config"]["persistence"]["datastores"].values():
        assert store["sql"]["pluginName"] == "postgres12_pgx"
        assert store["sql"]["existingSecret"]
        assert "password" not in store["sql"]


@EACH
def test_a_pod_may_do_little(path: Path) -> None:
    for name, _, pod in pods(manifests(path)):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["image"].rpartition(":")[2][0].isdigit(), container["image"]
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][kind].keys()


@EACH
def test_every_variable_is_a_setting_and_a_secret_is_in_a_file(path: Path) -> None:
    known = known_settings()
    for name, _, pod in pods(manifests(path)):
        [container] = pod["containers"]
        for variable, value in environment(container).items():
            setting = variable.removesuffix("_FILE")
            assert setting in known, f"{name}: nobody reads {variable}"
            assert (variable != setting) == value.startswith("/run/secrets/perdure/"), variable
        assert {"name": "secrets", "mountPath": "/run/secrets/perdure", "readOnly": True} in (
            container["volumeMounts"]
        )


@EACH
def test_a_pod_is_given_the_time_that_it_needs_to_stop(path: Path) -> None:
    """The longest is what is under way in a flood's lane, then what goes on after it."""
    needs_s = LaneLimits().operation_s + _DRAIN.total_seconds() + _ENDS_S_MAX
    for name, _, pod in pods(manifests(path)):
        if pod.get("restartPolicy") != "Never":
            grace_s = pod["terminationGracePeriodSeconds"]
            assert grace_s > (needs_s if "worker" in name else _DRAIN_S), name


@EACH
def test_what_lasts_is_spread_probed_and_not_taken_away_at_once(path: Path) -> None:
    budgets = [each["spec"] for each in of_kind(path, "PodDisruptionBudget")]
    for told in manifests(path):
        if told["kind"] not in ("Deployment", "WorkerDeployment"):
            continue
        template = told["spec"]["template"]
        labels = template["metadata"]["labels"].items()
        matching = [one for one in budgets if one["selector"]["matchLabels"].items() <= labels]
        assert [one["maxUnavailable"] for one in matching] == [1]
        spread = template["spec"]["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        [container] = template["spec"]["containers"]
        assert "readinessProbe" in container
        # A worker is not ended where Temporal is away, nor an API where the database is.
        alive = container.get("livenessProbe", {}).get("httpGet", {}).get("path")
        assert alive == (None if "worker" in told["metadata"]["name"] else "/healthz")


@EACH
def test_the_network_lets_through_what_is_named_and_no_more(path: Path) -> None:
    [policy] = of_kind(path, "NetworkPolicy")
    spec = policy["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    selected = spec["podSelector"]["matchLabels"].items()
    for told in manifests(path):
        if template := told.get("spec", {}).get("template"):
            assert selected <= template["metadata"]["labels"].items()
    ports = {one["port"] for rule in spec["ingress"] for one in rule["ports"]}
    asked = {
        int(environment(pod["containers"][0]).get("PERDURE_METRICS_PORT", 0))
        for _, _, pod in pods(manifests(path))
        if pod.get("restartPolicy") != "Never"
    }
    assert len(asked) == 1
    assert ports == {8080} | asked
    assert all(rule["from"] for rule in spec["ingress"])
    assert all(rule["to"] and rule["ports"] for rule in spec["egress"])


def test_the_controller_rolls_a_build_out_by_and_by_and_lets_the_old_one_end() -> None:
    spec = named(FILES[1], "WorkerDeployment", "perdure-worker-all")["spec"]
    assert spec["rollout"]["strategy"] == "Progressive"
    ramps = [step["rampPercentage"] for step in spec["rollout"]["steps"]]
    assert ramps == sorted(ramps)
    assert all(1 <= ramp <= 99 for ramp in ramps)
    assert spec["sunset"].keys() == {"scaledownDelay", "deleteDelay"}
    connection = named(FILES[1], "Connection", spec["workerOptions"]["connectionRef"]["name"])
    assert connection["spec"]["hostPort"] == environment(
        spec["template"]["spec"]["containers"][0]
    )["TEMPORAL_ADDRESS"]  # fmt: skip


@EACH
def test_tables_come_before_pods_and_a_build_that_cannot_go_on_goes_no_further(path: Path) -> None:
    jobs = {each["metadata"]["name"]: each for each in of_kind(path, "Job")}
    hooks = {
        name: (
            job["metadata"]["annotations"]["helm.sh/hook-weight"],
            job["metadata"]["annotations"]["helm.sh/hook"],
            job["spec"]["template"]["spec"]["containers"][0]["args"],
        )
        for name, job in jobs.items()
    }
    assert hooks == {
        "perdure-migrations": ("0", "pre-install,pre-upgrade", ["migrate"]),
        "perdure-gate": ("1", "pre-upgrade", ["replay", "--sample", "200"]),
    }
