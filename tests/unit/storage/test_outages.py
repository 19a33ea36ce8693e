"""Waiting for a database that is away."""

import asyncio

import asyncpg
import pytest

from perdure.storage.outages import wait_out


async def test_what_is_away_for_a_moment_is_tried_again() -> None:
    answers = [asyncpg.InterfaceError("closed"), ConnectionRefusedError("away")]

    async def attempt() -> str:
        if answers:
            raise answers.pop(0)
        return "there"

    assert await wait_out(attempt) == "there"


async def test_a_value_that_does_not_fit_is_not_taken_for_an_outage() -> None:
    tries = []

    async def attempt() -> None:
        tries.append(1)
        raise asyncpg.DataError("too long")

    with pytest.raises(asyncpg.DataError):
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
        await asyncio.wait_for(waiting, 5)
    assert len(tries) == 1
