"""How a kind is put to work: what it is given, and what it gives back.

Twice: once in every process (`Host`, `Wiring`), where operations are taken in, looked at and acted
on, and once more in a worker (`WorkerHost`, `Work`), where they are carried out.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio.client import Client

from perdure.config import Settings
from perdure.core.gears import AskedGear
from perdure.core.threads import Threads
from perdure.durable.engine import TemporalEngine
from perdure.durable.queues import QueueNames
from perdure.durable.registration import Registration
from perdure.flags.routing import EngineRouting
from perdure.ledger.store import LedgerStore
from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.acceptance import Acceptance
from perdure.operations.first_tries import FirstTries
from perdure.operations.janitor import Chore
from perdure.operations.kinds import KindActions
from perdure.operations.lanes.calls import Hear
from perdure.operations.lanes.work import LaneProcess
from perdure.operations.model import Operation
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.refunding import RefundableKind, Refunds
from perdure.operations.steps import TransactionalSteps
from perdure.operations.waiting import Patience
from perdure.outside import Outside
from perdure.refunds.contracts import RefundProvider
from perdure.storage.pool import Connection, Pool

Own = TypeVar("Own")


@dataclass(frozen=True, slots=True)
class Host:
    """What a kind is given in every process.

    Args:
        refundable: What can be given back, of all kinds, by their names.
    """

    settings: Settings
    pool: Pool
    client: Client
    queues: QueueNames
    engine: TemporalEngine
    ledger: LedgerStore[Connection]
    routing: EngineRouting
    refundable: Mapping[str, RefundableKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What it gives back.

    Args:
        actions: Has its operations corrected and relaunched, and takes in what is asked for.
        acceptance: Takes in what is asked for in its place.
        providers: Those that its steps call, as in their queues' names.
        roles: The roles of worker that it has beside those of every kind, each with its queues.
        patience: How long each of its steps waits for a provider that gives nobody an answer.
        chores: What the janitor has to look after.
        lane_for: Tells the lane of a request that is one of many; None: the customer's.
        own: What its own routes, commands and activities ask for by its type.
        refunds: Takes refunds in, of any kind.
    """

    actions: KindActions
    acceptance: Acceptance[Any] | None = None
    providers: Sequence[str] = ()
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    patience: Mapping[str, Patience] = field(default_factory=dict)
    chores: Sequence[Chore] = ()
    lane_for: Callable[[Any], int] | None = None
    own: Sequence[object] = ()
    refunds: Refunds | None = None


@dataclass(frozen=True, slots=True)
class WorkerHost:
    """What a kind is given in a worker.

    Args:
        refundable: As in `Host`.
        own: Returns what a wiring gave as its own, by its type.
        outside: Makes the clients of outside systems; they are closed with the worker.
        hear: Has what waits in this process hear at once of what another wrote.
        lane_in: Returns the lane of what this process takes in, given its kind; None: it has a
            workflow of its own.
        begin: Has what this process took in be carried out.
        deliver: Delivers messages at once; returns those that could not be.
        permit: Lets a step in a lane begin at a provider.
        permit_soon: Lets one begin where a workflow runs, if it may at once.
        refunds: How the kinds that can be refunded give back, by their names.
    """

    settings: Settings
    pool: Pool
    ledger: LedgerStore[Connection]
    refundable: Mapping[str, RefundableKind]
    own: Callable[[type[Own]], Own]
    steps: TransactionalSteps
    calls: ProviderCalls
    outside: Outside
    hear: Hear
    lane_in: Callable[[AskedGear | None, str, Any], int | None]
    begin: Callable[[Operation], Awaitable[None]]
    deliver: Deliver
    permit: PermitFor
    permit_soon: PermitFor
    refunds: Mapping[str, RefundProvider] = field(default_factory=dict)

    def threads(self, name: str, at_once_max: int) -> Threads:
        """Return a pool of threads of its own, for calls that block; see `Threads`.

        Args:
            name: What the threads are called.
            at_once_max: How many calls may block at a time; further ones wait.
        """
        return self.outside.threads(name, at_once_max)

    def first_tries(self) -> FirstTries:
        """Return what watches how quick one provider is."""
        return FirstTries(at_once_max=self.settings.first_tries_at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What carries a kind's operations out.

    Args:
        registrations: Its workflows and activities, by queue.
        lane: Carries them out in a lane; None: it has none.
        waits_aside_s: How long one in a lane waits, aside, for the outside.
        refunds: How its provider gives back; None: it is not refunded.
    """

    registrations: Sequence[Registration]
    lane: LaneProcess | None = None
    waits_aside_s: float = 0
    refunds: RefundProvider | None = None
