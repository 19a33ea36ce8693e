"""Transfers as tests begin them, the bank's own books, and lanes that a test drives itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from perdure.capability.funded import FundedSteps
from perdure.core.errors import PerdureError
from perdure.notifications.contracts import Party
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.script import LaneScript
from perdure.operations.lanes.work import LaneLimits, Stretch
from perdure.operations.model import Operation
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.outside import open_outside, use_of
from perdure.providers.bank import BANK_ROLE
from perdure.transfers.bank_calls import payout_at
from perdure.transfers.contracts import KIND, TransferInput, TransferRequest
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import run_transfer
from tests.integration.payments.town import Town


async def accept(
    town: Town,
    account: dict[str, str],
    *,
    lane: int | None = None,
    destination: str = "dest_ok",
    amount_minor: int = 1_000,
) -> Operation:
    """Accept a transfer into a lane, or for a workflow of its own; nothing is started."""
    request = TransferRequest(
        **account,
        amount_minor=amount_minor,
        destination=destination,
        customer=Party("Ada", phone="+15550100"),
    )
    async with town.platform.operations.transaction() as connection:
        (found,) = await town.platform.kinds.acceptance("transfer").accept_many(
            connection, [request], actor="tests", lanes=[lane]
        )
    if isinstance(found, PerdureError):
        raise found
    return found


async def transfer(
    town: Town,
    account: dict[str, str],
    *,
    lane: int | None = None,
    destination: str = "dest_ok",
    amount_minor: int = 1_000,
) -> str:
    """Accept a transfer and have it begin; returns its id."""
    found = await accept(
        town, account, lane=lane, destination=destination, amount_minor=amount_minor
    )
    if lane is None:
        await town.platform.operations.launch(found)
    else:
        await town.platform.operations.run_lanes(KIND, [lane])
    return found.id


async def payouts(town: Town, operation_id: str) -> list[str]:
    """Return how the payouts of a transfer stand in the bank's own books, the oldest first."""
    page = (await town.bank.get("/v1/payouts", params={"reference": operation_id})).json()
    return [payout["status"] for payout in page["data"]]


@asynccontextmanager
async def bank_misbehaves(town: Town, *kinds: str) -> AsyncIterator[None]:
    """Have everything that acts at the bank meet a fault, while the context is open."""
    faults = {"rate": 1, "kinds": list(kinds)}
    (await town.bank.put("/control/faults", json=faults)).raise_for_status()
    try:
        yield
    finally:
        (await town.bank.put("/control/faults", json={"rate": 0})).raise_for_status()


def ended(operation: Operation) -> tuple[str, str | None]:
    return operation.status, operation.failure.code if operation.failure else None


async def actions(town: Town, operation_id: str) -> list[str]:
    """Return what the transfer's trail says was done."""
    return [entry.action for entry in await town.platform.operations.trail(operation_id)]


@asynccontextmanager
async def own_lane(town: Town, number: int, **settings: Any) -> AsyncIterator["OwnLane"]:
    """Open a lane that nobody but the test drives.

    Args:
        settings: Settings that differ from the town's.
    """
    platform = town.platform
    configured = platform.settings.model_copy(update=settings)
    steps = TransactionalSteps(platform.pool)
    async with open_outside(configured) as outside:
        funded = FundedSteps(platform.pool, steps, platform.ledger, FUNDED)
        at_bank = payout_at(outside.provider(BANK_ROLE)).bodies(
            ProviderCalls(platform.pool),
            steps,
            first_tries=FirstTries(),
            timeout_s=use_of(BANK_ROLE, configured).timeout_s,
        )
        lane = LaneScript(
            run_transfer,
            TransferInput,
            {**funded.bodies, **at_bank},
            deliver=_left_to_others,
            permit=platform.permits.permit,
        )
        yield OwnLane(town, number, lane)


async def _left_to_others(notification_ids: list[str]) -> list[str]:
    return notification_ids


class OwnLane:
    """A lane of a test's own."""

    def __init__(self, town: Town, number: int, transfers: LaneScript[TransferInput]) -> None:
        self._number = number
        self._runner = LaneRunner(
            town.platform.pool,
            {KIND: transfers.run},
            town.platform.operations.launch,
            limits=LaneLimits(),
        )

    async def run(self) -> Stretch:
        """Drive the lane until nothing is left in it."""
        stretch = Stretch()
        await self._runner.run(KIND, self._number, stretch)
        return stretch
