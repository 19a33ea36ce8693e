"""Which worker polls what, without a server (P-11, E-9)."""

import pytest

from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.durable.registration import Registration
from perdure.worker.plans import ALL, PROVIDERS, ROLES, queues_of, work_of


def test_every_queue_has_one_role_and_all_has_every_queue_p11() -> None:
    queues = [queue for queues in ROLES.values() for queue in queues]
    assert len(queues) == len(set(queues))
    assert set(queues_of(ALL)) == set(queues)


def test_an_unknown_role_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="operations, fraud, notifications"):
        queues_of("painter")


def test_what_several_register_for_a_queue_is_one_workers_work() -> None:
    work = work_of(
        "operations",
        [Registration("operations", [int]), Registration("operations", [str]), Registration("x")],
    )
    assert [part.workflows for part in work] == [[int, str]]


def test_the_limits_of_a_worker_e9() -> None:
    settings = Settings(queues={"operations": "payment-queue"})
    assert settings.max_concurrent_activities == 100
    assert settings.max_concurrent_workflow_tasks == 50


@pytest.mark.parametrize("role", [PROVIDERS, ALL])
def test_the_registries_of_the_settings_have_a_worker_each_with_the_providers(role: str) -> None:
    registries = ["provider-registry-fr", "provider-registry-info"]
    registered = [Registration(queue, [int]) for queue in (*queues_of(ALL), *registries)]
    queues = [part.queue for part in work_of(role, registered)]
    assert queues[-2:] == registries
    assert "provider-registry-fr" not in [part.queue for part in work_of("lanes", registered)]
