"""Connections that are used again: no act goes out twice, and no answer is taken for another's."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from perdure.core.errors import PerdureError, ProviderOutcomeUnknown
from perdure.providers.http import ProviderHttp
from perdure.providers.http_client import open_http_client
from tests.polls import eventually

from .calls import LONG_S, act, failure_of, read
from .raw_server import RawServer, answer, answering, close, later, reset, serve


@pytest.mark.parametrize("then", [close, reset])
def test_an_act_over_a_connection_used_before_is_sent_once(
    runner: asyncio.Runner, then: Callable[..., Awaitable[None]]
) -> None:
    async def twice() -> tuple[PerdureError, RawServer]:
        async with (
            serve(answering(answer(), b"", then=then)) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            assert await act(ProviderHttp(client, "The provider")) == 7
            return await failure_of(act, client), server

    error, server = runner.run(twice())
    assert isinstance(error, ProviderOutcomeUnknown)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_connection_that_the_server_has_closed_is_not_used_again(runner: asyncio.Runner) -> None:
    async def one_by_one() -> RawServer:
        async with (
            serve(answering(answer(), then=close)) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            http = ProviderHttp(client, "The provider")
            for _ in range(3):
                assert await act(http) == 7
                await idle(client, lambda protocol: not protocol.is_connected())
            return server

    server = runner.run(one_by_one())
    assert (server.connections, len(server.requests)) == (3, 3)


def test_an_answer_that_nobody_asked_for_answers_no_act(runner: asyncio.Runner) -> None:
    async def unasked() -> PerdureError:
        async with (
            serve(answering(answer(), then=later(answer(b"8")))) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            assert await act(ProviderHttp(client, "The provider")) == 7
            await idle(client, lambda protocol: protocol.should_close)
            return await failure_of(act, client)

    assert isinstance(runner.run(unasked()), ProviderOutcomeUnknown)


def test_a_question_is_asked_anew_after_such_an_answer(runner: asyncio.Runner) -> None:
    async def unasked() -> int:
        async with (
            serve(answering(answer(), then=later(answer(b"8")))) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            http = ProviderHttp(client, "The provider")
            assert await read(http) == 7
            await idle(client, lambda protocol: protocol.should_close)
            return await read(http)

    assert runner.run(unasked()) == 7


async def idle(client: aiohttp.ClientSession, condition: Callable[[ResponseHandler], bool]) -> None:
    """Wait until this holds of every idle connection."""
    assert client.connector is not None
    conns = client.connector._conns
    await eventually(
        lambda: all(condition(kept) for pool in conns.values() for kept, _ in pool),
        pause_s=0.001,
    )
