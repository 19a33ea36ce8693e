"""Having a provider take back, as a whole, what one of our calls did there."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from perdure.operations.agreement import Expected, agreed
from perdure.operations.provider_call import Answer, ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps


class Done(Protocol):
    """What a call did, as the provider tells of it."""

    @property
    def amount_minor(self) -> int: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102


Taken = TypeVar("Taken", bound=Done)


async def take_back(
    steps: TransactionalSteps,
    calls: ProviderCalls,
    call: ProviderCall[Taken, Answer],
    ask: Callable[[str], Awaitable[Taken]],
    *,
    status: Callable[[Taken], str],
) -> Answer | None:
    """Take back what a call did, if it did anything; returns it as it stands then.

    Args:
        ask: Has it taken back, by our reference.
        status: What it has to be called then, given as it was.

    Raises:
        ProviderError: Not known, or not done yet; try again.
        ProviderDisagrees: The provider took back something else than is there, or nothing.
    """
    if not await steps.begin_reversal(call.operation_id):
        return None
    done = await calls.left_behind(call)
    if done is None:
        return None
    expected = Expected(
        call.provider,
        {
            "reference": call.reference,
            # What is there, which may be other than what was asked for.
            "amount_minor": done.amount_minor,
            "currency": done.currency,
            "status": status(done),
        },
    )
    return call.outcome(await agreed(expected, await ask(call.reference), call.find))
