"""What a provider does for an operation, once: asked for, found and taken back by its id.

A kind says how its provider is asked; the steps that make the call, find out what became of it and
undo it, and the refund of what has succeeded, follow.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from perdure.core.effects import EffectStatuses
from perdure.core.script import Bodies, CallStep
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.operations.agreement import Expected
from perdure.operations.first_tries import FirstTries
from perdure.operations.funded_acceptance import FundedRequest
from perdure.operations.provider_call import Answer, ProviderCall, Said
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.operations.taking_back import take_back
from perdure.refunds.contracts import GivenBack, RefundInput


class EffectInput(Protocol):
    """What the steps are given: an operation."""

    @property
    def operation_id(self) -> str: ...  # noqa: D102


class Made(Protocol):
    """What was done, as the provider tells of it; an `Effect`, or what has no amount."""

    @property
    def reference(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102


def _amount_asked(given: Any) -> Mapping[str, object]:
    asked: FundedRequest = given.request
    return {"amount_minor": asked.amount_minor, "currency": asked.currency}


Given = TypeVar("Given", bound=EffectInput)
Done = TypeVar("Done", bound=Made)
Input = TypeVar("Input")


def made_once(
    calls: ProviderCalls,
    step: CallStep[Input, Answer],
    call: Callable[[Input], ProviderCall[Said, Answer]],
) -> Bodies:
    """Return what makes a call once, whatever happens to its workers, and finds it out.

    Args:
        step: The call. The result of its `resolve` is made of the answer, or of None.
        call: What is called, given what the step is.
    """
    assert step.resolve is not None, f"nothing finds out what became of {step.name}"
    found_as: Callable[[Answer | None], object] = step.resolve.returns

    @records_its_attempts
    async def make(given: Input) -> Answer:
        return await calls.get_or_create(call(given))

    async def find_out(given: Input) -> object:
        found = await calls.resolve(call(given))
        return found_as(found)

    return {step: make, step.resolve: find_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEffect(Generic[Given, Done, Answer]):
    """How a provider is asked for something, once, and to take it back as a whole.

    It knows what it does for us by our reference, which is the operation's id, and tells of it with
    that reference, what was asked for, and a status.

    Args:
        provider: As in its queue's name.
        step: The call that asks for it.
        undo: The call that takes it back. Its result is made of how it stands then, or of None.
        ask: Asks for it, given the operation.
        find: Looks for it by our reference; None: the provider never saw it.
        take_back: Has it taken back, by our reference; repeatable.
        statuses: What its states are called.
        outcome: What is kept of it.
        says: What else it has to tell of it, by the fields' names: as asked.
        refunded: What a refund's result shows of it; None: the kind is not refunded.
    """

    provider: str
    step: CallStep[Given, Answer]
    undo: CallStep[Given, Any]
    ask: Callable[[Given], Awaitable[Done]]
    find: Callable[[str], Awaitable[Done | None]]
    take_back: Callable[[str], Awaitable[Done]]
    statuses: EffectStatuses
    outcome: Callable[[Done], Answer]
    says: Callable[[Given], Mapping[str, object]] = _amount_asked
    refunded: Callable[[Done], Mapping[str, str]] | None = None

    def bodies(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        *,
        first_tries: FirstTries,
        timeout_s: float,
    ) -> Bodies:
        """Return what does the work of its steps.

        Args:
            first_tries: Watches how quick the provider is.
            timeout_s: The longest one call may take, in seconds.
        """

        def call(given: Given) -> ProviderCall[Done, Answer]:
            return self._call(given, first_tries, timeout_s)

        async def undo(given: Given) -> object:
            left = await take_back(
                steps,
                calls,
                call(given),
                self.take_back,
                status=lambda done: self.statuses.after_taking_back(done.status),
                undone=self.statuses.undone,
            )
            return self.undo.returns(left)

        return {**made_once(calls, self.step, call), self.undo: undo}

    def refunds(self, timeout_s: float) -> "EffectRefunds[Done] | None":
        """Return how it is given back; None: it is not."""
        return None if self.refunded is None else EffectRefunds(self, self.refunded, timeout_s)

    def _call(
        self, given: Given, first_tries: FirstTries, timeout_s: float
    ) -> ProviderCall[Done, Answer]:
        reference = given.operation_id

        async def create() -> Done:
            with first_tries.under_way():
                return await self.ask(given)

        says = {"reference": reference, **self.says(given)}
        return ProviderCall(
            operation_id=reference,
            step=self.step.row_name,
            provider=self.provider,
            reference=reference,
            returns=self.step.returns,
            timeout_s=timeout_s,
            create=create,
            find=lambda: self.find(reference),
            expects=Expected(self.provider, says, {"status": self.statuses.known}),
            outcome=self.outcome,
        )


class EffectRefunds(Generic[Done]):
    """Gives back by taking an effect back, by the reference of what is refunded.

    Args:
        shown: What a refund's result shows of it.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        effect: ProviderEffect[Any, Done, Any],
        shown: Callable[[Done], Mapping[str, str]],
        timeout_s: float,
    ) -> None:
        self._effect = effect
        self._shown = shown
        self.providers = (effect.provider,)
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have it taken back; see `RefundProvider.give_back`."""
        return self._given(await self._effect.take_back(refund.request.refund_of), refund)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Look whether it was taken back; see `RefundProvider.find`."""
        found = await self._effect.find(refund.request.refund_of)
        stands = found is None or found.status == self._effect.statuses.stands
        return None if found is None or stands else self._given(found, refund)

    def _given(self, effect: Done, refund: RefundInput) -> GivenBack:
        request = refund.request
        says = {
            "reference": request.refund_of,
            "status": self._effect.statuses.undone,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
        }
        Expected(self._effect.provider, says).check(effect)
        return GivenBack(dict(self._shown(effect)))
