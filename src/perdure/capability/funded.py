"""Money from a customer's account: set aside, then posted or released.

Each is one commit on our database; those in flight together share one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from perdure.capability.contracts import End, Failure
from perdure.capability.entries import hold_id, post_id, void_id
from perdure.core.script import Body, ScriptStep, Step
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Message
from perdure.operations import model
from perdure.operations.funded_acceptance import FundedRequest, check_account
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Status
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.storage.pool import Connection, Pool

Holding = TypeVar("Holding")
Settling = TypeVar("Settling")
Given = TypeVar("Given")


class FundedInput(Protocol):
    """An operation, and what it asks for."""

    @property
    def operation_id(self) -> str: ...  # noqa: D102
    @property
    def request(self) -> FundedRequest: ...  # noqa: D102


class ClosingInput(Protocol):
    """What the step is given that ends an operation without success."""

    @property
    def failure(self) -> Failure: ...  # noqa: D102


Closing = TypeVar("Closing", bound=ClosingInput)


@dataclass(frozen=True, slots=True)
class Funds:
    """What is set aside for an operation, of which account.

    Args:
        limit_minor: Counted against this limit, where the kind counts; None: not counted.
    """

    operation_id: str
    customer_id: str
    account_id: str
    amount_minor: int
    currency: str
    limit_minor: int | None = None

    @classmethod
    def asked(cls, given: FundedInput, limit_minor: int | None = None) -> "Funds":
        """Return what an operation's request asks for by itself."""
        request = given.request
        return cls(
            given.operation_id,
            request.customer_id,
            request.account_id,
            request.amount_minor,
            request.currency,
            limit_minor,
        )


@dataclass(frozen=True, slots=True)
class Success:
    """What commits with an operation's success.

    Args:
        messages: Who is told what.
        result: As the operation's row shows it.
    """

    messages: Sequence[Message]
    result: dict[str, Any]


class Counter(Protocol):
    """Counts what is held against a limit, in the commit that holds it."""

    async def count(self, connection: Connection, funds: Funds) -> str | None:
        """Count; returns what says later where it was counted, None: it is not counted.

        Raises:
            LimitExceeded: It is over its limit; nothing is counted.
        """
        ...

    async def count_many(
        self, connection: Connection, funds: Mapping[str, Funds]
    ) -> Mapping[str, str | None]:
        """Count those that are within their limits, by id, each as `count` does."""
        ...

    async def take_off(self, connection: Connection, counted: Sequence[tuple[Funds, str]]) -> None:
        """Take off again what was counted, and was not held after all."""
        ...


class _NoCounter:
    async def count(self, _: Connection, __: Funds) -> None: ...

    async def count_many(self, _: Connection, funds: Mapping[str, Funds]) -> dict[str, None]:
        return dict.fromkeys(funds)

    async def take_off(self, _: Connection, __: Sequence[tuple[Funds, str]]) -> None: ...


async def _nothing(*_: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FundedKind(Generic[Holding, Settling, Closing]):
    """How a kind has its operations paid for.

    Args:
        verb: What the customer wants to do, as messages about the account say it: `pay`.
        code: Of its transfers in the ledger.
        taken_by: The house's account that the money goes to.
        hold: The step that sets the money aside. Its result is made of the hold's id, and of what
            the counter says.
        held_with_acceptance: It was set aside in the commit that accepted the operation: `hold`
            only begins it.
        settle: The step that posts it: from here on the operation has succeeded.
        close: The step that releases it, and ends the operation.
        ends: Further steps that end it.
        operation_id: Whose step it is, given the input of any of them, where that does not say it
            itself.
        funds: What is set aside.
        success: What commits with `settle`.
        failure_messages: Who is told what by `close`.
        held_as, settled_as: What the trail calls the two.
        before_settling: Done first in the commit of `settle`, given the connection and the steps'
            inputs: locks what `on_success` goes on to.
        on_release: What else commits with `close` if something was held, before it is released;
            given the connection, the step's input and the result of `hold`.
        on_success: What else commits with `settle`, given the connection and the steps' inputs.
        on_close: What else commits with `close`, given the connection and the step's input.
    """

    verb: str
    code: str
    taken_by: SystemAccount
    hold: Step[Holding, Any]
    settle: Step[Settling, End]
    close: Step[Closing, End]
    ends: Sequence[str] = ()
    operation_id: Callable[[Any], str] = attrgetter("operation_id")
    funds: Callable[[Holding], Funds]
    success: Callable[[Settling], Success]
    failure_messages: Callable[[Closing], Sequence[Message]]
    held_as: str = "funds_held"
    settled_as: str = "settled"
    held_with_acceptance: bool = False
    before_settling: Callable[[Connection, Sequence[Settling]], Awaitable[None]] = _nothing
    on_release: Callable[[Connection, Closing, Any], Awaitable[None]] = _nothing
    on_success: Callable[[Connection, Sequence[Settling]], Awaitable[None]] = _nothing
    on_close: Callable[[Connection, Closing], Awaitable[None]] = _nothing

    def new_hold(self, funds: Funds) -> NewTransfer:
        """Return an operation's hold."""
        return NewTransfer(
            id=hold_id(funds.operation_id),
            debit_account_id=funds.account_id,
            credit_account_id=system_account_id(self.taken_by, funds.currency),
            amount_minor=funds.amount_minor,
            currency=funds.currency,
            code=self.code,
            operation_id=funds.operation_id,
        )


class FundedSteps(Generic[Holding, Settling, Closing]):
    """The steps of a kind on our own database.

    Args:
        counter: Counts what is held against a limit.
    """

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        kind: FundedKind[Holding, Settling, Closing],
        *,
        counter: Counter | None = None,
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._kind = kind
        self._counter: Counter = counter or _NoCounter()
        # One that has ended keeps its end, with the messages it owes.
        self._ends = (kind.settle.row_name, kind.close.row_name, *kind.ends)
        self._holds = GroupedStep(
            pool,
            steps,
            kind.hold.row_name,
            one=self._hold,
            many=self._hold_many,
            returns=kind.hold.returns,
        )
        self._settlements = GroupedStep(
            pool,
            steps,
            kind.settle.row_name,
            one=self._settle,
            many=self._settle_many,
            returns=End,
            undoes=kind.settle.past_return,
            ends=self._ends,
        )

    @property
    def bodies(self) -> dict[ScriptStep[Any, Any], Body]:
        """What does the work of the three steps."""
        kind = self._kind
        return {kind.hold: self.hold, kind.settle: self.settle, kind.close: self.close}

    async def hold(self, given: Holding) -> Any:
        """Check the account and the limits, and set the money aside.

        Raises:
            NotFound, Refused, InvalidInput, InsufficientFunds, LimitExceeded: Nothing was held.
        """
        return await self._holds.run(self._kind.operation_id(given), given)

    async def _hold(self, step: StepTransaction, given: Holding) -> Any:
        funds = self._kind.funds(given)
        if self._kind.held_with_acceptance:
            step.planned = self._held
            return self._held_as(self._kind.new_hold(funds), None)
        await check_account(
            step.connection, self._ledger, funds, currency=funds.currency, verb=self._kind.verb
        )
        counted = await self._counter.count(step.connection, funds)
        hold = self._kind.new_hold(funds)
        await self._ledger.hold(step.connection, hold)
        step.planned = self._held
        return self._held_as(hold, counted)

    async def _hold_many(
        self, connection: Connection, given: Mapping[str, Holding]
    ) -> dict[str, StepDone[Any]]:
        # Whose account it is was checked when it was accepted, and does not change; its currency,
        # its status and its funds are the ledger's to look at: it leaves out what they refuse.
        funds = {found: self._kind.funds(one) for found, one in given.items()}
        if self._kind.held_with_acceptance:
            return {
                found: StepDone(self._held_as(self._kind.new_hold(one), None), self._held)
                for found, one in funds.items()
            }
        counted = await self._counter.count_many(connection, funds)
        holds = {found: self._kind.new_hold(funds[found]) for found in counted}
        held = await self._ledger.hold_many(connection, list(holds.values()))
        done = {
            found: StepDone(self._held_as(hold, counted[found]), self._held)
            for found, hold in holds.items()
            if hold.id in held
        }
        not_held = [
            (funds[found], where)
            for found, where in counted.items()
            if where is not None and found not in done
        ]
        await self._counter.take_off(connection, not_held)
        return done

    @property
    def _held(self) -> Move:
        return Move(Status.PROCESSING, self._kind.held_as)

    def _held_as(self, hold: NewTransfer, counted: str | None) -> Any:
        make: Callable[..., Any] = self._kind.hold.returns
        return make(hold.id) if counted is None else make(hold.id, counted)

    async def settle(self, given: Settling) -> End:
        """Post the money and owe the messages: the operation has succeeded.

        Raises:
            OperationCancelled: Somebody was quicker.
        """
        return await self._settlements.run(self._kind.operation_id(given), given)

    async def _settle(self, step: StepTransaction, given: Settling) -> End:
        success = self._kind.success(given)
        step.planned = Move(Status.SUCCEEDED, self._kind.settled_as, result=success.result)
        return await self._succeed(step.connection, given, success.messages)

    async def _settle_many(
        self, connection: Connection, given: Mapping[str, Settling]
    ) -> dict[str, StepDone[End]]:
        holds = {hold_id(found): found for found in given}
        await self._kind.before_settling(connection, list(given.values()))
        posted = await self._ledger.post_holds(
            connection, [(held, post_id(found)) for held, found in holds.items()]
        )
        # As they were given: what goes on with them finds locked what was locked for them.
        settled = [found for held, found in holds.items() if held in posted]
        successes = {found: self._kind.success(given[found]) for found in settled}
        await self._kind.on_success(connection, [given[found] for found in settled])
        owed = await notifications.owe(
            connection, {found: success.messages for found, success in successes.items()}
        )
        return {
            found: StepDone(
                End(Status.SUCCEEDED, notification_ids=owed[found]),
                Move(Status.SUCCEEDED, self._kind.settled_as, result=success.result),
            )
            for found, success in successes.items()
        }

    async def settle_although(
        self,
        step: Step[Given, End],
        given: Given,
        settling: Settling,
        messages: Sequence[Message],
        move: Move,
    ) -> End:
        """Post the money of an operation that was to be undone, and is not.

        Args:
            step: The step that it is, one of those that end the operation; given `given`.
            settling: What `settle` would have been given.
            move: The operation's new status, and why.
        """

        async def body(work: StepTransaction) -> End:
            work.planned = move
            return await self._succeed(work.connection, settling, messages)

        return await self._steps.run(
            self._kind.operation_id(settling),
            step.row_name,
            given,
            body,
            returns=End,
            undoes=step.undoes,
            ends=self._ends,
        )

    async def _succeed(
        self, connection: Connection, given: Settling, messages: Sequence[Message]
    ) -> End:
        found = self._kind.operation_id(given)
        await self._kind.before_settling(connection, [given])
        await self._ledger.post_hold(connection, hold_id(found), post_id(found))
        await self._kind.on_success(connection, [given])
        owed = await notifications.owe(connection, {found: messages})
        return End(Status.SUCCEEDED, notification_ids=owed[found])

    async def close(self, given: Closing) -> End:
        """Release what was held and owe the reason: the operation failed, or is cancelled."""
        kind, failure = self._kind, given.failure
        found = kind.operation_id(given)

        async def body(step: StepTransaction) -> End:
            connection = step.connection
            held = await self._steps.stored(step, kind.hold.row_name, returns=kind.hold.returns)
            if held is None and kind.held_with_acceptance:
                held = kind.hold.returns(hold_id(found))
            if held is not None:
                await kind.on_release(connection, given, held)
                await self._ledger.void_hold(connection, held.hold_id, void_id(found))
            await kind.on_close(connection, given)
            owed = await notifications.owe(connection, {found: kind.failure_messages(given)})
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            step.move(
                status,
                action="closed",
                reason=failure.message,
                failure=model.Failure(failure.code, failure.message, param=failure.param),
            )
            return End(status, failure, owed[found])

        return await self._steps.run(
            found,
            kind.close.row_name,
            given,
            body,
            returns=End,
            undoes=True,
            ends=self._ends,
        )
