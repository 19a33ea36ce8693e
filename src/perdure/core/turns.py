"""An attempt's turn at a provider: waited for just before the first call, kept to its end.

Whoever runs a step says what a turn is (`turn_at`); whoever calls a provider takes it
(`take_turn`). A step that finds its answer stored, or that there is nothing to do, takes none.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Permit:
    """Leave to call a provider.

    Attributes:
        work: What is done there, by its step's name.
        is_used: A request was sent; if none was, how the attempt ended says nothing of the
            provider.
    """

    work: str = ""
    is_used: bool = True


class _Turn:
    def __init__(
        self,
        permit: AbstractAsyncContextManager[Permit],
        ends: AsyncExitStack,
        on_taken: Callable[[], str],
    ) -> None:
        self._permit = permit
        self._ends = ends
        self._on_taken = on_taken
        self._held: Permit | None = None

    async def take(self, *, for_a_request: bool) -> None:
        if self._held is None:
            self._held = await self._ends.enter_async_context(self._permit)
            self._held.work, self._held.is_used = self._on_taken(), False
        self._held.is_used |= for_a_request


_turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@asynccontextmanager
async def turn_at(
    permit: AbstractAsyncContextManager[Permit], *, on_taken: Callable[[], str]
) -> AsyncIterator[None]:
    """Have what runs inside call its provider only with this permit.

    Args:
        permit: Entered at the first call; hears what the attempt ended with, if there was a call.
        on_taken: Called when the turn has come; returns the name of what is done at the provider.
    """
    async with AsyncExitStack() as ends:
        token = _turn.set(_Turn(permit, ends, on_taken))
        try:
            yield
        finally:
            _turn.reset(token)


async def take_turn(*, for_a_request: bool = False) -> None:
    """Wait for this attempt's turn, unless it has it; where nobody runs it, there is none.

    Args:
        for_a_request: The caller sends the provider a request now.
    """
    turn = _turn.get()
    if turn is not None:
        await turn.take(for_a_request=for_a_request)
