"""Confirmations of payments in lanes, whatever they meet: none is lost, none counts twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import pytest
from temporalio.api.history.v1 import HistoryEvent

from perdure.core.ids import new_id
from perdure.operations.lanes import store as lanes
from perdure.operations.model import Operation, Status
from perdure.operations.steps import from_json
from perdure.payments.callbacks import GatewayCallbacks, Receipt
from perdure.payments.contracts import HoldFunds, PaymentInput
from perdure.payments.process import CHARGE, HOLD, RESOLVE_CHARGE
from perdure.providers.gateway_callbacks import GatewayEvent, ToldCharge
from tests.polls import eventually

from .lanes import OwnLane, actions, open_lane
from .town import Town


@dataclass
class Post:
    """Callbacks taken in a process of their own, and what was signalled of them."""

    town: Town
    signalled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.callbacks = GatewayCallbacks(self.town.platform.pool, self)

    async def signal(self, operation_id: str, name: str, argument: object) -> bool:
        self.signalled.append(operation_id)
        return await self.town.platform.engine.signal(operation_id, name, argument)

    async def charge_id(self, payment_id: str) -> str:
        """Return the gateway's id of a payment's charge; of one not charged yet, one made up."""
        charges = await self.town.charges(payment_id)
        return str(charges[0]["id"]) if charges else "ch_early"

    async def receive(
        self,
        payment_id: str,
        *,
        event_id: str | None = None,
        status: Literal["succeeded", "failed"] = "succeeded",
        charge_id: str | None = None,
    ) -> Receipt:
        """Take the gateway's confirmation of a payment."""
        charge_id = charge_id or await self.charge_id(payment_id)
        told = ToldCharge(charge_id, payment_id, 1_000, "USD", status)
        return await self.callbacks.receive(
            GatewayEvent(event_id or new_id("evt"), f"charge.{status}", told)
        )

    async def redeliver(self) -> int:
        """Redeliver as the janitor does some seconds later."""
        await self.town.platform.pool.execute(
            "UPDATE provider_callbacks SET received_at = received_at - interval '10 seconds'"
            " WHERE delivered_at IS NULL"
        )
        return await self.callbacks.redeliver()

    async def redeliver_until_ended(self, payment_id: str) -> Operation:
        """Redeliver until what waits for it has ended."""

        async def ended() -> Operation | None:
            await self.redeliver()
            operation = await self.town.platform.operations.get(payment_id)
            return operation if operation.is_finished else None

        return await eventually(ended, pause_s=0.1)

    async def delivered(self, payment_id: str) -> list[bool]:
        """Return which of a payment's callbacks count as delivered, the first first."""
        rows = await self.town.platform.pool.fetch(
            "SELECT delivered_at FROM provider_callbacks WHERE operation_id = $1"
            " ORDER BY received_at",
            payment_id,
        )
        return [row["delivered_at"] is not None for row in rows]


@pytest.fixture
def post(quiet_town: Town) -> Post:
    return Post(quiet_town)


@pytest.fixture
async def lane(quiet_town: Town) -> AsyncIterator[OwnLane]:
    async with open_lane(quiet_town) as opened:
        yield opened


@pytest.fixture
async def hasty_lane(quiet_town: Town) -> AsyncIterator[OwnLane]:
    """A lane that waits for no confirmation."""
    async with open_lane(quiet_town, confirmation_s=0.01) as opened:
        yield opened


async def test_a_confirmation_reaches_a_lane_without_a_signal(lane: OwnLane, post: Post) -> None:
    payment_id = await lane.accept("tok_no_callback")
    running = asyncio.create_task(lane.run())
    await post.town.until(payment_id, {"waiting"})
    await post.receive(payment_id)
    stretch = await running
    assert (stretch.done, stretch.promoted) == (1, 0)
    assert (await post.town.platform.operations.get(payment_id)).status == Status.SUCCEEDED
    assert (post.signalled, await post.delivered(payment_id)) == ([], [False])
    await post.redeliver()
    assert (post.signalled, await post.delivered(payment_id)) == ([], [True])


async def test_a_confirmation_that_comes_before_the_charges_answer_counts(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_callback_before_response")
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted) == (1, 0)
    assert len(await post.town.charges(payment_id)) == 1


async def test_the_true_one_of_two_confirmations_counts_and_a_copy_is_only_counted(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_no_callback")
    await charge(lane, payment_id)
    event_id = new_id("evt")
    assert not (await post.receive(payment_id, event_id=event_id)).duplicate
    assert (await post.receive(payment_id, event_id=event_id)).duplicate
    await post.receive(payment_id, status="failed")
    assert (await lane.run()).done == 1
    assert (await post.town.platform.operations.get(payment_id)).status == Status.SUCCEEDED
    assert post.signalled == []


async def test_of_copies_that_come_together_one_counts(hasty_lane: OwnLane, post: Post) -> None:
    payment_id = await hasty_lane.accept("tok_no_callback")
    assert (await hasty_lane.run()).promoted == 1
    event_id, charge_id = new_id("evt"), await post.charge_id(payment_id)
    receipts = await asyncio.gather(
        *(post.receive(payment_id, event_id=event_id, charge_id=charge_id) for _ in range(3)),
        post.receive(payment_id, charge_id=charge_id),
    )
    assert [receipt.duplicate for receipt in receipts] == [False, True, True, False]
    assert post.signalled == [payment_id] * 2
    assert (await post.receive(payment_id, event_id=event_id)).duplicate
    deliveries = await post.town.platform.pool.fetchval(
        "SELECT deliveries FROM provider_callbacks WHERE event_id = $1", event_id
    )
    assert deliveries == 4
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED


async def test_what_is_kept_for_a_lane_is_left_to_it(lane: OwnLane, post: Post) -> None:
    payment_id = await lane.accept("tok_no_callback")
    await post.receive(payment_id)
    await post.redeliver()
    assert (post.signalled, await post.delivered(payment_id)) == ([], [False])
    await lane.run()


async def test_a_confirmation_kept_just_before_the_payment_is_promoted_is_found_by_its_workflow(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_no_callback")
    await charge(lane, payment_id)
    await post.receive(payment_id)
    await promote(lane, payment_id)
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED
    assert post.signalled == []


async def test_a_confirmation_kept_while_the_workflow_begins_to_wait_is_passed_on_later(
    hasty_lane: OwnLane, post: Post
) -> None:
    """The race lost by all: kept by who still saw the lane, after the workflow had looked."""
    payment_id = await hasty_lane.accept("tok_no_callback")
    event_id, pool = new_id("evt"), post.town.platform.pool
    async with pool.acquire() as connection:
        holding = connection.transaction()
        await holding.start()
        await connection.execute(
            "INSERT INTO provider_callbacks (provider, event_id, event)"
            " VALUES ('gateway', $1, '{}')",
            event_id,
        )
        receiving = asyncio.create_task(post.receive(payment_id, event_id=event_id))
        await until_somebody_waits(post.town)
        assert (await hasty_lane.run()).promoted == 1
        await until_it_waits(post.town, payment_id)
        await holding.rollback()
    assert not (await receiving).duplicate
    assert (post.signalled, await post.delivered(payment_id)) == ([], [False])
    assert await post.redeliver() == 1
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED
    assert await post.redeliver() == 0
    assert (post.signalled, await post.delivered(payment_id)) == ([payment_id], [True])


async def test_a_confirmation_that_comes_before_the_promoted_workflow_exists_is_found_by_it(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_no_callback")
    await charge(lane, payment_id)
    async with post.town.platform.pool.acquire() as connection:
        [promoted] = await lanes.promote(connection, {payment_id: "For the test."})
    await post.receive(payment_id)
    assert post.signalled == [payment_id]
    await post.town.platform.operations.launch(promoted)
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED


async def test_a_confirmation_of_a_promoted_payment_is_signalled_at_once(
    hasty_lane: OwnLane, post: Post
) -> None:
    payment_id = await hasty_lane.accept("tok_no_callback")
    assert (await hasty_lane.run()).promoted == 1
    await until_it_waits(post.town, payment_id)
    await post.receive(payment_id)
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED
    assert await post.redeliver() == 0
    assert (post.signalled, await post.delivered(payment_id)) == ([payment_id], [True])


async def test_what_was_kept_counts_where_a_charge_is_found_out_about(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_no_callback")
    running = asyncio.create_task(lane.run())
    operation = await post.town.until(payment_id, {"waiting"})
    payment = from_json(PaymentInput, operation.input)
    pending = (await lane.work.do(RESOLVE_CHARGE, payment)).charge
    await post.receive(payment_id)
    known = (await lane.work.do(RESOLVE_CHARGE, payment)).charge
    await running
    assert pending is not None
    assert known is not None
    assert (pending.status, known.status) == ("pending", "succeeded")


async def test_a_payment_promoted_while_the_lane_settles_it_succeeds_once(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_no_callback")
    running = asyncio.create_task(lane.run())
    await post.town.until(payment_id, {"waiting"})
    await asyncio.gather(post.receive(payment_id), promote(lane, payment_id))
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED
    await running
    found = await actions(post.town, payment_id)
    assert found.count("settled") == 1
    rows = await post.town.platform.pool.fetch(
        "SELECT kind FROM ledger_transfers WHERE operation_id = $1", payment_id
    )
    assert sorted(row["kind"] for row in rows) == ["pending", "post_pending"]
    assert len(await post.town.charges(payment_id)) == 1


@pytest.mark.parametrize("confirmation_s", [0.1, 0.5])
async def test_confirmations_racing_with_promotions_are_all_counted_once(
    quiet_town: Town, post: Post, confirmation_s: float
) -> None:
    """The gateway confirms after 0.1 s, and the lane waits about as long."""
    async with open_lane(quiet_town, confirmation_s=confirmation_s) as lane:
        payments = [await lane.accept() for _ in range(15)]
        stretch = await lane.run()
        assert stretch.done + stretch.promoted == len(payments)
        for payment_id in payments:
            operation = await post.redeliver_until_ended(payment_id)
            assert operation.status == Status.SUCCEEDED
            assert len(await post.town.charges(payment_id)) == 1
            assert (await actions(post.town, payment_id)).count("settled") == 1
        await post.redeliver()
        for payment_id in payments:
            assert await post.delivered(payment_id) == [True]


async def test_a_lie_has_the_payment_leave_its_lane_and_the_gateway_asked(
    lane: OwnLane, post: Post
) -> None:
    payment_id = await lane.accept("tok_never_confirmed")
    await charge(lane, payment_id)
    await post.receive(payment_id, status="failed")
    assert (await lane.run()).promoted == 1
    await until_it_waits(post.town, payment_id)
    assert (await post.town.platform.operations.get(payment_id)).status == Status.WAITING
    await post.receive(payment_id)
    assert (await post.town.end_of(payment_id)).status == Status.SUCCEEDED


async def charge(lane: OwnLane, payment_id: str) -> None:
    """Hold and charge a payment in its lane, up to the gateway's answer."""
    operation = await lane.town.platform.operations.get(payment_id)
    payment = from_json(PaymentInput, operation.input)
    await lane.work.do(HOLD, HoldFunds(payment, payment.options.daily_limit_minor))
    assert (await lane.work.do(CHARGE, payment)).status == "pending"


async def promote(lane: OwnLane, payment_id: str) -> None:
    """Take a payment out of its lane, as somebody other than the lane does."""
    async with lane.town.platform.pool.acquire() as connection:
        promoted = await lanes.promote(connection, {payment_id: "For the test."})
    for operation in promoted:
        await lane.town.platform.operations.launch(operation)


async def until_it_waits(town: Town, payment_id: str) -> None:
    """Wait until a payment's own workflow has charged, and waits for the confirmation."""
    handle = town.platform.client.get_workflow_handle(payment_id)

    async def timers() -> list[HistoryEvent]:
        return [
            event
            async for event in handle.fetch_history_events()
            if event.HasField("timer_started_event_attributes")
        ]

    await eventually(timers)


async def until_somebody_waits(town: Town) -> None:
    """Wait until a statement in this database waits for another's commit."""
    await eventually(
        lambda: town.platform.pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database())"
        )
    )
