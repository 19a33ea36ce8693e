"""Payments in lanes that a test drives itself, in a town where nothing else sees to them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from perdure.bootstrap import open_registrations
from perdure.core.errors import PerdureError
from perdure.fraud.activities import FraudActivities
from perdure.fraud.contracts import SCORE
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import DELIVER, Party
from perdure.operations.lanes.runner import LaneLimits, LaneRunner, Stretch
from perdure.operations.model import Operation
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import CHARGE, KIND, SETTLE, PaymentRequest
from perdure.payments.lane import PaymentLane

from .town import Town

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
        (found,) = await town.platform.kinds.acceptance("payment").accept_many(
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
        gateway: Their steps at the gateway.
    """

    town: Town
    number: int
    payments: PaymentLane
    gateway: PaymentGatewayActivities
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
    async with open_registrations(town.platform) as registrations:
        bound = {
            _name_of(function): getattr(function, "__self__", None)
            for part in registrations
            for function in part.activities
        }
        ledger, gateway, fraud = bound[SETTLE], bound[CHARGE], bound[SCORE]
        messages = bound[DELIVER]
        assert isinstance(ledger, PaymentLedgerActivities)
        assert isinstance(gateway, PaymentGatewayActivities)
        assert isinstance(fraud, FraudActivities)
        assert isinstance(messages, NotificationActivities)
        payments = PaymentLane(
            ledger,
            gateway,
            fraud.score,
            town.platform.kinds.own(GatewayCallbacks),
            deliver=messages.deliver_now,
            permit=town.platform.permits.permit,
            confirmation_s=confirmation_s,
        )
        yield OwnLane(town, next(_numbers), payments, gateway, limits or LaneLimits())


def _name_of(function: Callable[..., Any]) -> str | None:
    definition = getattr(function, "__temporal_activity_definition", None)
    return definition.name if definition else None
