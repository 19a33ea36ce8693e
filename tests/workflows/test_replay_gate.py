"""The replay gate: green on what this code began, red on what another would break."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import PayloadCodec

from perdure.core.errors import PayloadUnreadable
from perdure.durable.queues import OPERATIONS
from perdure.durable.replay import ReplayGate, Report, shares
from perdure.fraud.workflow import FraudCheckFirstTryWorkflow, FraudCheckWorkflow
from perdure.notifications.workflow import NotificationWorkflow
from perdure.payments.contracts import CHARGE, WORKFLOW
from perdure.payments.workflow import PaymentWorkflow
from tests.polls import eventually
from tests.replay.broken_workflows import ChargesBeforeItHolds
from tests.replay.replayed import replayer

from .scripted import PaymentScenario
from .worker import QUEUES

OTHERS = (FraudCheckFirstTryWorkflow, FraudCheckWorkflow, NotificationWorkflow)


async def replayed(
    scenario: PaymentScenario, *workflows: type, sample: int = 20, client: Client | None = None
) -> Report:
    """Replay what there is of a test's own with some code."""
    queues = [scenario.queues[queue] for queue in QUEUES]
    gate = ReplayGate(client or scenario.client, replayer(*workflows), workflows, queues)
    return await gate.replay(sample)


async def one_ended_and_one_waiting(scenario: PaymentScenario) -> tuple[str, str]:
    """Begin two payments, of which one ends, and wait until Temporal lists them so."""
    ended, waiting = await scenario.start(), await scenario.start()
    await scenario.until_called(CHARGE, times=2)
    await scenario.confirm(ended)
    await ended.result()
    ours = f"TaskQueue = '{scenario.queues[OPERATIONS]}' AND ExecutionStatus ="

    async def are_listed() -> bool:
        counts = [
            (await scenario.client.count_workflows(f"{ours} '{status}'")).count
            for status in ("Running", "Completed")
        ]
        return counts == [1, 1]

    await eventually(are_listed)
    return ended.id, waiting.id


async def test_this_code_carries_on_all_that_it_began_and_a_changed_one_is_found(
    scenario: PaymentScenario,
) -> None:
    ids = {*await one_ended_and_one_waiting(scenario)}
    own = await replayed(scenario, PaymentWorkflow, *OTHERS)
    assert own.failures == []
    assert own.replayed[WORKFLOW] == len(ids)

    changed = await replayed(scenario, ChargesBeforeItHolds, *OTHERS)
    assert {failure.workflow_id for failure in changed.failures} == ids
    assert {failure.reason for failure in changed.failures} == {"nondeterministic"}
    assert {failure.is_running for failure in changed.failures} == {True, False}

    [missing] = (await replayed(scenario, *OTHERS)).failures
    assert (missing.reason, missing.type, missing.is_running) == ("unknown_type", WORKFLOW, True)


@pytest.mark.parametrize("code", ["payload_key_erased", "payload_key_unknown"])
async def test_what_an_erased_customer_left_is_counted_and_what_else_is_unreadable_fails(
    scenario: PaymentScenario, code: str
) -> None:
    ids = {*await one_ended_and_one_waiting(scenario)}

    class Unreadable(PayloadCodec):
        async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
            return [*payloads]

        async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
            raise PayloadUnreadable("It cannot be read.", code=code)

    config = scenario.client.config()
    config["data_converter"] = replace(config["data_converter"], payload_codec=Unreadable())
    report = await replayed(scenario, PaymentWorkflow, client=Client(**config))
    assert report.replayed == {}
    if code == "payload_key_erased":
        assert (report.erased, report.failures) == (len(ids), [])
    else:
        assert {one.workflow_id for one in report.failures} == ids
        assert {one.reason for one in report.failures} == {"unreadable"}


@pytest.mark.parametrize(
    ("counts", "sample", "drawn"),
    [
        ({"a": 1000, "b": 1000}, 200, {"a": 100, "b": 100}),
        ({"a": 1_000_000, "b": 3, "c": 0}, 200, {"a": 197, "b": 3, "c": 0}),
        ({"a": 2, "b": 3}, 200, {"a": 2, "b": 3}),
        ({"a": 9, "b": 9, "c": 9}, 2, {"a": 1, "b": 1, "c": 0}),
        ({}, 5, {}),
    ],
)
def test_as_many_of_each_are_drawn_as_there_are(
    counts: dict[str, int], sample: int, drawn: dict[str, int]
) -> None:
    assert shares(counts, sample) == drawn
