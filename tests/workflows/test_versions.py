"""Two versions of the payment's logic: old runs finish under the new one (BR-10, FR-10, E-8)."""

from temporalio.client import Client

from perdure.payments.contracts import CHARGE, HOLD_FUNDS, STATUS
from perdure.payments.workflow import PaymentWorkflow
from perdure.storage.pool import Pool

from .previous_version import PaymentWorkflowV1
from .scripted import PaymentScenario, ScriptedWorld
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


async def test_old_and_new_logic_run_side_by_side_e8(temporal_client: Client, pool: Pool) -> None:
    old_world, new_world = ScriptedWorld(), ScriptedWorld()
    v1 = scripted_payments(temporal_client, pool, own_queues(), old_world, PaymentWorkflowV1)
    v2 = scripted_payments(temporal_client, pool, own_queues(), new_world, PaymentWorkflow)
    async with v1 as old, v2 as new:
        ends = [await _pay(scenario) for scenario in (old, new)]
    assert ends == ["succeeded", "succeeded"]
    assert old_world.given[HOLD_FUNDS].daily_limit_minor is None
    assert new_world.given[HOLD_FUNDS].daily_limit_minor == 700


async def _pay(scenario: PaymentScenario) -> str:
    handle = await scenario.start(daily_limit_minor=700)
    await scenario.confirm(handle)
    return (await handle.result()).status
