"""Which errors are the database's own trouble, and waiting for a database that is away."""

import asyncio
import ssl

import asyncpg
import pytest

from perdure.storage.outages import (
    Outage,
    does_not_fit,
    is_away,
    is_outage,
    outage_in,
    outage_of,
    wait_out,
)

CLIENT_DATA_ERROR = next(
    cls for cls in asyncpg.InterfaceError.__subclasses__() if cls.__name__ == "DataError"
)
"""What asyncpg raises for an argument that is not of its parameter's type."""


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (ConnectionRefusedError("x"), Outage.AWAY),
        (TimeoutError(), Outage.AWAY),
        (ssl.SSLError("x"), Outage.AWAY),
        (asyncpg.ConnectionDoesNotExistError("x"), Outage.AWAY),
        (asyncpg.ProtocolViolationError("no more connections allowed"), Outage.AWAY),
        (asyncpg.CannotConnectNowError("x"), Outage.AWAY),
        (asyncpg.AdminShutdownError("x"), Outage.AWAY),
        (asyncpg.PostgresIOError("x"), Outage.AWAY),
        (asyncpg.InvalidPasswordError("x"), Outage.AWAY),
        (asyncpg.InvalidCatalogNameError("x"), Outage.AWAY),
        (asyncpg.InterfaceError("connection is closed"), Outage.AWAY),
        (asyncpg.InternalClientError("cannot switch to state 15"), Outage.AWAY),
        (asyncpg.TargetServerAttributeNotMatched("x"), Outage.AWAY),
        (asyncpg.ReadOnlySQLTransactionError("x"), Outage.READ_ONLY),
        (asyncpg.DiskFullError("x"), Outage.FULL),
        (asyncpg.TooManyConnectionsError("x"), Outage.FULL),
        (asyncpg.SerializationError("x"), Outage.GAVE_WAY),
        (asyncpg.DeadlockDetectedError("x"), Outage.GAVE_WAY),
        (asyncpg.LockNotAvailableError("x"), Outage.GAVE_WAY),
        (asyncpg.QueryCanceledError("x"), Outage.GAVE_WAY),
        (asyncpg.InvalidCachedStatementError("x"), Outage.GAVE_WAY),
        (asyncpg.UniqueViolationError("x"), None),
        (asyncpg.UndefinedTableError("x"), None),
        (asyncpg.CharacterNotInRepertoireError("0x00"), None),
        (CLIENT_DATA_ERROR("value out of int64 range"), None),
        (asyncpg.ProgramLimitExceededError("index row size 3016 exceeds"), None),
        (ValueError("x"), None),
    ],
    ids=repr,
)
def test_an_error_is_the_databases_own_trouble_or_is_not(
    error: Exception, outage: Outage | None
) -> None:
    assert outage_of(error) == outage
    assert is_outage(error) == (outage is not None)
    assert is_away(error) == (outage not in (None, Outage.GAVE_WAY))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncpg.CharacterNotInRepertoireError("0x00"), True),
        (asyncpg.NumericValueOutOfRangeError("x"), True),
        (CLIENT_DATA_ERROR("value out of int64 range"), True),
        (asyncpg.ProgramLimitExceededError("index row size 3016 exceeds"), True),
        (asyncpg.InterfaceError("connection is closed"), False),
        (asyncpg.UniqueViolationError("x"), False),
    ],
    ids=repr,
)
def test_a_value_fits_or_does_not(error: Exception, *, expected: bool) -> None:
    assert does_not_fit(error) == expected


def test_an_outage_is_found_among_the_errors_of_a_group() -> None:
    away = ConnectionResetError("x")
    assert outage_in(ExceptionGroup("", [ValueError(), ExceptionGroup("", [away])])) is away
    assert outage_in(ExceptionGroup("", [ValueError()])) is None


async def test_what_is_away_for_a_moment_is_tried_again() -> None:
    answers = [
        asyncpg.InterfaceError("closed"),
        ConnectionRefusedError("away"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    ]

    async def attempt() -> str:
        if answers:
            raise answers.pop(0)
        return "there"

    assert await wait_out(attempt) == "there"


@pytest.mark.parametrize("error", [asyncpg.DataError("too long"), CLIENT_DATA_ERROR("too long")])
async def test_a_value_that_does_not_fit_is_not_taken_for_an_outage(error: Exception) -> None:
    tries = []

    async def attempt() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        await wait_out(attempt)
    assert len(tries) == 1


async def test_a_cancellation_counts_even_where_an_error_took_its_place() -> None:
    tries = []

    async def attempt() -> None:
        tries.append(1)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            # As a rollback does on a connection that was lost over the cancellation.
            raise asyncpg.InterfaceError("the connection is closed") from None

    waiting = asyncio.create_task(wait_out(attempt))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 60)
    assert len(tries) == 1
