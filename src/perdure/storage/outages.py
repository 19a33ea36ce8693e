"""Which of the database's errors are its own trouble, and waiting for its end.

They say nothing about what was asked of it: whatever met one is tried again, and fails nobody. All
other errors are about the statement or its values, and come again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, TypeVar

import asyncpg

from perdure.core.errors import ProviderUnavailable

_AWAY_S_MAX: Final = 300.0
"""How long a database that is away is waited for."""


class Outage(StrEnum):
    """What is the matter with the database."""

    AWAY = "away"
    """It is not reached, is starting or stopping, or lets nobody in."""
    READ_ONLY = "read_only"
    """It takes no changes: a standby, or the old primary after a failover."""
    FULL = "full"
    """It has no room: on its disk, in its memory, for a connection."""
    GAVE_WAY = "gave_way"
    """It is well, and another transaction had to go first: trying again at once is right."""


# The first that an error is an instance of counts.
_ERRORS: Final[tuple[tuple[Outage, tuple[type[Exception], ...]], ...]] = (
    (Outage.READ_ONLY, (asyncpg.ReadOnlySQLTransactionError,)),
    (Outage.FULL, (asyncpg.InsufficientResourcesError,)),
    (
        Outage.GAVE_WAY,
        (
            asyncpg.TransactionRollbackError,
            asyncpg.LockNotAvailableError,
            asyncpg.QueryCanceledError,
            # The tables changed under a statement that was prepared before.
            asyncpg.InvalidCachedStatementError,
        ),
    ),
    (
        Outage.AWAY,
        (
            OSError,  # time-outs too
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.PostgresSystemError,
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
            # The server ended a connection that waited in a transaction, or its transaction.
            asyncpg.IdleInTransactionSessionTimeoutError,
            asyncpg.TransactionTimeoutError,
            asyncpg.InterfaceError,
            # What a statement meets on a connection whose server has just said that it ends; or who
            # connects, where none of the servers takes changes.
            asyncpg.InternalClientError,
        ),
    ),
)


def outage_of(error: BaseException) -> Outage | None:
    """Return what is the matter with the database; None: the error is about something else."""
    if does_not_fit(error):
        return None
    return next((outage for outage, errors in _ERRORS if isinstance(error, errors)), None)


def is_outage(error: BaseException) -> bool:
    """Whether an error says nothing about what was asked, so that it is to be tried again."""
    return outage_of(error) is not None


def is_away(error: BaseException) -> bool:
    """Whether the database takes nothing from anybody now; `GAVE_WAY` is no such thing."""
    return outage_of(error) not in (None, Outage.GAVE_WAY)


def does_not_fit(error: BaseException) -> bool:
    """Whether a value is one that its column, or an index, does not take."""
    # What asyncpg finds out by itself is an `InterfaceError`, as is a connection that is closed.
    by_client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    return by_client or isinstance(error, (asyncpg.DataError, asyncpg.ProgramLimitExceededError))


def outage_in(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the first outage among the errors of a task group, whatever the groups in it."""
    found: BaseException | None = group.subgroup(is_outage)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


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
        except Exception as error:
            if not is_outage(error):
                raise
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
