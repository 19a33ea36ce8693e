"""Has the activities of a provider's queue keep the provider's limit, whatever the provider.

What waits, waits in the queue: the worker takes a task only when it can be carried out soon
(`durable.provider_slots`). Here the call waits for its very turn.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.core.errors import ProviderNotCalled, TurnPending
from perdure.core.turns import Permit, turn_at
from perdure.durable.queues import QueueNames
from perdure.limits.permits import Permits
from perdure.operations.attempts import attempt_begins

_WAIT_S: Final = 20.0
"""Less than an attempt may take, with the call still to come."""


_AGAIN_S: Final = 5.0
"""How long a call is left in peace whose turn has not come."""


class ProviderLimits(Interceptor):
    """Gives each attempt that calls a provider its permit."""

    def __init__(self, permits: Permits, queues: QueueNames) -> None:
        self._permits = permits
        self._queues = queues

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the activities."""
        permits, queues = self._permits, self._queues

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
                info = activity.info()
                provider = None if info.is_local else queues.provider_of(info.task_queue)
                if provider is None:
                    return await super().execute_activity(input)
                async with turn_at(_permit(permits, provider), on_taken=attempt_begins):
                    return await super().execute_activity(input)

        return Inbound(next)


@asynccontextmanager
async def _permit(permits: Permits, provider: str) -> AsyncIterator[Permit]:
    async with AsyncExitStack() as held:
        permit = Permit()
        # What is called off begins nothing any more; finding out whether it did may go ahead.
        with suppress(_CalledOffError):
            try:
                permit = await held.enter_async_context(permits.permit(provider, wait=_wait))
            except ProviderNotCalled as error:
                _spare_a_try(error.message)
                raise
        yield permit


class _CalledOffError(Exception):
    """The operation is to stop."""


async def _wait(granted: Awaitable[None]) -> None:
    permit = asyncio.ensure_future(granted)
    called_off = asyncio.ensure_future(activity.wait_for_cancelled())
    try:
        await asyncio.wait(
            {permit, called_off}, timeout=_WAIT_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        called_off.cancel()
    if permit.done():
        return
    if called_off.done():
        raise _CalledOffError
    message = "The provider's limit leaves no room yet."
    _spare_a_try(message)
    raise TurnPending(message, retry_after_s=_AGAIN_S)


def _spare_a_try(message: str) -> None:
    """Have the workflow begin anew where waiting would use up one of the tries that a step has.

    See `scope.OperationScope.provider_step`.
    """
    policy = activity.info().retry_policy
    if policy is not None and policy.maximum_attempts:
        raise TurnPending(message)
