"""A database that is away, and waiting for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from perdure.core.errors import ProviderUnavailable

_AWAY_S_MAX: Final = 300.0
"""How long a database that is away is waited for."""

CONNECTION_LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What a statement meets on a connection whose server has just said that it ends.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What is raised where the database is away."""

Result = TypeVar("Result")


async def wait_out(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Try until the database answers; what is tried has to be harmless to repeat.

    Raises:
        ProviderUnavailable: `database_away`: it did not for five minutes.
    """
    deadline = asyncio.get_running_loop().time() + _AWAY_S_MAX
    pause_s = 0.2
    while True:
        try:
            return await attempt()
        except CONNECTION_LOST as error:
            if isinstance(error, asyncpg.DataError):
                raise  # a value that does not fit its column, whatever its base class says
            if _is_cancelled():
                # The rollback met a connection whose statement is being called off, and its error
                # took the cancellation's place.
                raise asyncio.CancelledError from error
            if asyncio.get_running_loop().time() > deadline:
                raise ProviderUnavailable(
                    "The database has been away for five minutes. Import the same file again when"
                    " it is back: what was accepted is not accepted twice.",
                    code="database_away",
                ) from error
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
