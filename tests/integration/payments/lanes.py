"""Payments in lanes that a test drives itself, in a town where nothing else sees to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from perdure.core.errors import PerdureError
from perdure.notifications.contracts import Party
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.script import LaneScript
from perdure.operations.lanes.work import LaneLimits, Stretch
from perdure.operations.model import Operation
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import KIND, PaymentInput, PaymentRequest
from perdure.payments.lane import lane_of

from .town import Town
from .work import PaymentWork, open_work

_numbers = count()


async def accept(
    town: Town,
    account: dict[str, str],
    *,
    lane: int | None,
    token: str = "tok_ok",
    amount_minor: int = 1_000,
) -> Operation:
    """Accept a payment into a lane, or for a workflow of its own; nothing is started."""
    request = PaymentRequest(
        **account,
        amount_minor=amount_minor,
        payment_method=token,
        payer=Party("Ada", "ada@example.com", "+15550100"),
        payee=Party("Grace"),
    )
    async with town.platform.operations.transaction() as connection:
        (found,) = await town.platform.kinds.acceptance(KIND).accept_many(
            connection, [request], actor="tests", lanes=[lane]
        )
    if isinstance(found, PerdureError):
        raise found
    return found


async def actions(town: Town, payment_id: str) -> list[str]:
    """Return what the payment's trail says was done."""
    return [entry.action for entry in await town.platform.operations.trail(payment_id)]


@dataclass
class OwnLane:
    """A lane of a test's own.

    Attributes:
        payments: Carries out its payments.
        work: That of their steps.
    """

    town: Town
    number: int
    payments: LaneScript[PaymentInput]
    work: PaymentWork
    limits: LaneLimits

    async def accept(self, token: str = "tok_ok") -> str:
        """Accept a payment into the lane; returns its id."""
        account = await self.town.account(funds_minor=10_000)
        return (await accept(self.town, account, lane=self.number, token=token)).id

    async def run(self) -> Stretch:
        """Drive the lane until nothing is left in it."""
        stretch = Stretch()
        runner = LaneRunner(
            self.town.platform.pool,
            {KIND: self.payments.run},
            self.town.platform.operations.launch,
            limits=self.limits,
        )
        await runner.run(KIND, self.number, stretch)
        return stretch


@asynccontextmanager
async def open_lane(
    town: Town, *, confirmation_s: float = 20.0, limits: LaneLimits | None = None
) -> AsyncIterator[OwnLane]:
    """Open a lane that nobody but the test drives."""
    async with open_work(town) as work:
        payments = lane_of(
            work.bodies,
            work.score,
            town.platform.kinds.own(GatewayCallbacks),
            deliver=_left_to_others,
            permit=town.platform.permits.permit,
            confirmation_s=confirmation_s,
        )
        yield OwnLane(town, next(_numbers), payments, work, limits or LaneLimits())


async def _left_to_others(notification_ids: list[str]) -> list[str]:
    return notification_ids
