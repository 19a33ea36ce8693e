"""Which payments the demo cancels, and when."""

from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.model import NewOperation
from perdure.payments.contracts import KIND
from perdure.payments.demo import charged_to_cancel
from perdure.payments.demo_file import CANCELLED_PREFIX
from perdure.storage.pool import transaction

from .conftest import House


async def accept(house: House, reference: str) -> str:
    operation_id = new_id("pay")
    async with transaction(house.pool) as connection:
        new = NewOperation(operation_id, KIND, house.customer_id, {}, reference=reference)
        await store.accept(connection, new, actor="test")
    return operation_id


async def begin_charge(house: House, operation_id: str) -> None:
    await house.pool.execute(
        "INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until)"
        " VALUES ($1, 'charge', 'gateway', $1, 'intended', now())",
        operation_id,
    )


async def test_a_charge_that_began_is_cancelled_though_its_answer_is_not_known(
    house: House,
) -> None:
    """Its worker may be killed before the answer, and the next one settles at once."""
    begun = await accept(house, f"{CANCELLED_PREFIX}1")
    await accept(house, f"{CANCELLED_PREFIX}2")
    other = await accept(house, "demo-plain-3")
    await begin_charge(house, begun)
    await begin_charge(house, other)
    assert await charged_to_cancel(house.pool) == [begun]
    await house.operations.cancel(begun, actor="test", reason="as the demo does")
    assert await charged_to_cancel(house.pool) == []
