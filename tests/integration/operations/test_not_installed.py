"""Operations of a kind whose package is not installed: shown, parked once, and never lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from perdure.core.clock import utc_now
from perdure.core.errors import Conflict
from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.actions import OperatorActions
from perdure.operations.allowed import Action, next_actions
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.model import By, NewOperation, Operation, Status
from perdure.operations.service import OperationService
from perdure.storage.pool import Pool, open_pool, transaction
from tests.integration.cli.conftest import RecordingEngine
from tests.servers import migrated_database

AT_ONCE = JanitorTimes(start_grace_s=0, stale_after_s=0)
ADA = By("ada", "A test wants it.")
GIFT = "gift-card"


class Installation:
    """A janitor and operators where no package has gift cards, until one is installed."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.engine = RecordingEngine()
        self.service = OperationService(pool, self.engine)
        self.janitor = Janitor(
            pool, self.engine, times=AT_ONCE, clock=lambda: utc_now() + timedelta(seconds=1)
        )

    @property
    def actions(self) -> OperatorActions:
        return self.service.actions

    def install(self) -> None:
        self.engine.kinds |= {GIFT}

    async def gift(self, *, lane: int | None = None, is_started: bool = False) -> str:
        operation_id = new_id("gft")
        async with transaction(self.pool) as connection:
            new = NewOperation(operation_id, GIFT, "cus_1", {"request": {}}, lane=lane)
            operation = await store.accept(connection, new, actor="test")
            if is_started:
                await store.move(connection, operation, Status.WAITING, action="asked")
        return operation_id

    async def get(self, operation_id: str) -> Operation:
        return await self.service.get(operation_id)

    async def trail(self, operation_id: str) -> list[str]:
        return [entry.action for entry in await self.service.trail(operation_id)]


@pytest.fixture(scope="module")
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of its own: what is ended here was begun here."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as opened:
        yield opened


@pytest.fixture
async def here(pool: Pool) -> Installation:
    await pool.execute(
        "UPDATE operations SET status = 'failed', finished_at = now() WHERE finished_at IS NULL"
    )
    return Installation(pool)


@pytest.mark.parametrize(
    "stands", [{}, {"is_started": True}, {"lane": 3}], ids=["accepted", "started", "in a lane"]
)
async def test_it_is_parked_once_and_goes_on_when_its_kind_is_installed(
    here: Installation, stands: dict[str, int]
) -> None:
    gift = await here.gift(**stands)  # type: ignore[arg-type]
    for _ in range(3):
        await here.janitor.look()
    parked = await here.get(gift)
    assert parked.is_not_installed
    assert parked.failure is not None
    assert "PERDURE_CAPABILITIES" in parked.failure.message
    assert (await here.trail(gift)).count("parked") == 1
    assert here.engine.started == []
    here.install()
    await here.janitor.look()
    await here.janitor.look()
    assert (await here.get(gift)).status == Status.PROCESSING
    assert (await here.trail(gift))[-2:] == ["released", "workflow_resumed"]


async def test_others_go_on_beside_it(here: Installation) -> None:
    await here.gift()
    payment = new_id("pay")
    async with transaction(here.pool) as connection:
        await store.accept(
            connection, NewOperation(payment, "payment", "cus_1", {"request": {}}), actor="test"
        )
    await here.janitor.look()
    assert here.engine.started == [payment]


async def test_a_request_to_cancel_it_is_kept_until_its_kind_is_there(here: Installation) -> None:
    gift = await here.gift()
    await here.janitor.look()
    answer = await here.actions.cancel(gift, ADA)
    assert "once its kind is installed again" in answer.reason
    await here.janitor.look()
    kept = await here.get(gift)
    assert kept.is_not_installed
    assert kept.cancel_request is not None
    here.install()
    await here.janitor.look()
    assert (await here.get(gift)).cancel_request == kept.cancel_request
    assert "released" in await here.trail(gift)


async def test_nothing_else_has_it_go_on(here: Installation) -> None:
    gift = await here.gift()
    await here.janitor.look()
    for act in (here.actions.relaunch, here.actions.resume, here.actions.release):
        with pytest.raises(Conflict) as refused:
            await act(gift, ADA)
        assert refused.value.code == "kind_not_installed"
    parked = await here.get(gift)
    assert next_actions(parked) == [Action.CANCEL]
    assert next_actions(replace(parked, failure=None))[0] == Action.RELAUNCH
