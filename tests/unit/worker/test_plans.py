"""Which worker polls what, without a server (P-11, E-9)."""

from types import SimpleNamespace
from typing import Any

import pytest

from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.durable.registration import Registration
from perdure.worker.plans import ALL, PROVIDERS, queues_of, roles_of, work_of

KINDS: Any = SimpleNamespace(
    providers=["gateway", "registry-fr"], roles={"fraud": ("fraud", "provider-scorer")}
)


def test_every_queue_has_one_role_and_all_has_every_queue_p11() -> None:
    queues = [queue for queues in roles_of(KINDS).values() for queue in queues]
    assert len(queues) == len(set(queues))
    assert set(queues_of(ALL, KINDS)) == set(queues)


def test_each_provider_of_a_kind_has_a_queue_of_its_own() -> None:
    assert queues_of(PROVIDERS, KINDS) == ("provider-gateway", "provider-registry-fr")


def test_an_unknown_role_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="operations, fraud, notifications"):
        queues_of("painter", KINDS)


def test_what_several_register_for_a_queue_is_one_workers_work() -> None:
    work = work_of(
        "operations",
        KINDS,
        [Registration("operations", [int]), Registration("operations", [str]), Registration("x")],
    )
    assert [part.workflows for part in work] == [[int, str]]


def test_the_limits_of_a_worker_e9() -> None:
    settings = Settings(queues={"operations": "payment-queue"})
    assert settings.max_concurrent_activities == 100
    assert settings.max_concurrent_workflow_tasks == 50
