"""How workers take part in a deployment, and where their build's name comes from."""

import pytest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.durable.deployments import deployment_config, version_of
from perdure.durable.queues import LANES, OPERATIONS, provider_queue


def test_without_a_build_id_builds_are_not_told_apart() -> None:
    assert version_of("perdure", "") is None
    assert deployment_config(None, OPERATIONS) is None


@pytest.mark.parametrize(
    ("queue", "behavior"),
    [
        (OPERATIONS, VersioningBehavior.PINNED),
        (provider_queue("gateway"), VersioningBehavior.PINNED),
        (LANES, VersioningBehavior.AUTO_UPGRADE),
    ],
)
def test_an_operation_ends_on_its_build_and_a_lane_goes_on_on_the_next(
    queue: str, behavior: VersioningBehavior
) -> None:
    config = deployment_config(version_of("perdure", "1.2"), queue)
    assert config is not None
    assert config.use_worker_versioning
    assert config.version == WorkerDeploymentVersion("perdure", "1.2")
    assert config.default_versioning_behavior == behavior


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILD_ID", "DEPLOYMENT_NAME"):
        monkeypatch.delenv(f"PERDURE_{name}", raising=False)
    monkeypatch.delenv("TEMPORAL_WORKER_BUILD_ID", raising=False)
    monkeypatch.delenv("TEMPORAL_DEPLOYMENT_NAME", raising=False)


def test_the_worker_controllers_names_hold_where_ours_are_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "theirs")
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", "shop/perdure")
    settings = Settings.load()
    assert (settings.deployment_name, settings.build_id) == ("shop/perdure", "theirs")
    monkeypatch.setenv("PERDURE_BUILD_ID", "ours")
    assert Settings.load().build_id == "ours"


@pytest.mark.parametrize("value", ["a:b", "with space", ".begins", "x" * 64])
def test_what_temporal_takes_for_no_build_id_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PERDURE_BUILD_ID", value)
    with pytest.raises(ConfigurationError, match="PERDURE_BUILD_ID"):
        Settings.load()
