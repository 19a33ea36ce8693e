"""Having a provider take back, as a whole, what one of our calls did there."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from perdure.operations.agreement import Expected, agreed
from perdure.operations.provider_call import Answer, ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.storage.pool import Pool


class Done(Protocol):
    """What a call did, as the provider tells of it."""

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
    undone: str | None = None,
) -> Answer | None:
    """Take back what a call did, if it did anything; returns it as it stands then.

    Args:
        ask: Has it taken back, by our reference.
        status: What it has to be called then, given as it was.
        undone: What is called so is taken back already, heard of or not; None: nothing is.

    Raises:
        ProviderError: Not known, or not done yet; try again.
        ProviderDisagrees: The provider took back something else than is there, or nothing.
    """
    if not await steps.begin_reversal(call.operation_id):
        return None
    done = await calls.left_behind(call)
    if done is None:
        return None
    if done.status == undone:
        return call.outcome(done)
    assert call.expects is not None, f"nothing says what {call.step} is compared in"
    # What is there, which may be other than what was asked for.
    says = {name: getattr(done, name) for name in call.expects.says}
    expected = Expected(
        call.provider, {**says, "reference": call.reference, "status": status(done)}
    )
    return call.outcome(await agreed(expected, await ask(call.reference), call.find))


async def begin_reversal(pool: Pool, operation_id: str) -> list[str]:
    """Have an operation's row say that it is being undone; returns the calls there are to undo.

    Those that were begun, and that the provider did not refuse. None of an operation that has ended
    already.
    """
    if not await TransactionalSteps(pool).begin_reversal(operation_id):
        return []
    rows = await pool.fetch(_BEGUN, operation_id)
    return [row["step"] for row in rows]


# A no that the provider does not document says less; see `ProviderCalls.left_behind`.
_BEGUN: Final = """
SELECT step FROM provider_calls WHERE operation_id = $1 AND state <> 'not_made'
    AND NOT (state = 'refused' AND coalesce((answer->>'documented')::boolean, true))
ORDER BY created_at
"""
