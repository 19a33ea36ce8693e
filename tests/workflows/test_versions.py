"""Two versions of the payment's logic: old runs finish under the new one (BR-10, FR-10, E-8)."""

from temporalio.client import Client

from perdure.capability.contracts import Held
from perdure.payments.contracts import CHARGE, HOLD_FUNDS, STATUS, HoldFunds
from perdure.payments.workflow import PaymentWorkflow
from perdure.storage.pool import Pool
from tests.polls import eventually

from .previous_version import PaymentWorkflowV1
from .scripted import ScriptedWorld
from .worker import own_queues, scripted_payments


async def test_a_payment_begun_under_v1_finishes_under_v2_br10_fr10(
    temporal_client: Client, pool: Pool
) -> None:
    queues, world = own_queues(), ScriptedWorld()
    v1 = scripted_payments(temporal_client, pool, queues, world, payment=PaymentWorkflowV1)
    async with v1 as old:
        handle = await old.start(daily_limit_minor=700)
        await old.until_called(CHARGE)
        assert await handle.query(STATUS) == "processing"
    v2 = scripted_payments(temporal_client, pool, queues, world, payment=PaymentWorkflow)
    async with v2 as new:
        await new.confirm(handle)
        assert (await handle.result()).status == "succeeded"
        # It went on as it began: no limit was asked for, and nothing was done again.
        assert world.given[HOLD_FUNDS].daily_limit_minor is None
        assert world.calls.count(HOLD_FUNDS) == 1


async def test_old_and_new_workers_share_a_queue_and_each_run_ends_as_it_began_e8(
    temporal_client: Client, pool: Pool
) -> None:
    """As while a deploy rolls: nothing stands still, and nothing is done twice."""
    queues, world = own_queues(), ScriptedWorld()
    counted: dict[str, bool] = {}

    def hold(given: HoldFunds) -> Held:
        counted[given.payment.operation_id] = given.daily_limit_minor is not None
        return Held("ltr_1")

    world.answers[HOLD_FUNDS] = hold
    v1 = scripted_payments(temporal_client, pool, queues, world, PaymentWorkflowV1)
    # Another process: of one client, two workers share no queue.
    target = temporal_client.service_client.config.target_host
    other_client = await Client.connect(target, namespace=temporal_client.namespace)
    v2 = scripted_payments(other_client, pool, queues, world, PaymentWorkflow)
    async with v1 as old, v2 as new:
        handles = []

        async def both_have_begun_some() -> bool:
            handle = await new.start(daily_limit_minor=700)
            handles.append(handle)
            await eventually(lambda: handle.id in counted)
            return set(counted.values()) == {True, False}

        await eventually(both_have_begun_some)
        for handle in handles:
            await old.confirm(handle)
        ends = [(await handle.result()).status for handle in handles]
    assert set(ends) == {"succeeded"}
    assert world.calls.count(HOLD_FUNDS) == len(handles)
