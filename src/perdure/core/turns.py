"""An attempt's turn at a provider: waited for just before the first call, kept to its end.

Whoever runs a step says what a turn is (`turn_at`); whoever calls a provider takes it
(`take_turn`). A step that finds its answer stored, or that there is nothing to do, takes none.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar


class _Turn:
    def __init__(
        self,
        permit: AbstractAsyncContextManager[None],
        ends: AsyncExitStack,
        on_taken: Callable[[], None],
    ) -> None:
        self._permit = permit
        self._ends = ends
        self._on_taken = on_taken
        self._is_taken = False

    async def take(self) -> None:
        if not self._is_taken:
            await self._ends.enter_async_context(self._permit)
            self._is_taken = True
            self._on_taken()


_turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@asynccontextmanager
async def turn_at(
    permit: AbstractAsyncContextManager[None], *, on_taken: Callable[[], None]
) -> AsyncIterator[None]:
    """Have what runs inside call its provider only with this permit.

    Args:
        permit: Entered at the first call; hears what the attempt ended with, if there was a call.
        on_taken: Called when the turn has come.
    """
    async with AsyncExitStack() as ends:
        token = _turn.set(_Turn(permit, ends, on_taken))
        try:
            yield
        finally:
            _turn.reset(token)


async def take_turn() -> None:
    """Wait for this attempt's turn, unless it has it; where nobody runs it, there is none."""
    turn = _turn.get()
    if turn is not None:
        await turn.take()
