"""Operations to try things on."""

from collections.abc import Awaitable, Callable

import pytest

from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.model import NewOperation, Operation
from perdure.storage.pool import Pool, transaction

NewOperationMaker = Callable[..., Awaitable[Operation]]


@pytest.fixture
def accept(pool: Pool) -> NewOperationMaker:
    """Stores a new operation, as the service would."""

    async def make(*, reference: str | None = None, request: object = 1) -> Operation:
        operation_id = new_id("pay")
        new = NewOperation(
            id=operation_id,
            kind="payment",
            customer_id="cus_test",
            input={"operation_id": operation_id, "request": request},
            reference=reference,
        )
        async with transaction(pool) as connection:
            return await store.accept(connection, new, actor="test")

    return make
