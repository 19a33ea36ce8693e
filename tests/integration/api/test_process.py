"""The API as a process of its own."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import httpx
import pytest

from perdure.api.main import _DRAIN_S
from tests.polls import eventually

from .api_client import Api, created, ok, refused

SERVE = """
import asyncio
from perdure.api.main import run_api
from perdure.config import Settings
asyncio.run(run_api(Settings.load()))
"""


async def start(database_url: str, port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        env=os.environ
        | {
            "DATABASE_URL": database_url,
            "PERDURE_API_PORT": str(port),
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def healthy(port: int) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:

        async def answer() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                return await http.get(f"http://127.0.0.1:{port}/healthz")
            return None

        return await eventually(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_stop_and_exits_with_0(
    database_url: str, own_port: int, number: signal.Signals
) -> None:
    process = await start(database_url, own_port)
    try:
        assert ok(await healthy(own_port)) == {"status": "ok"}
        process.send_signal(number)
        output, _ = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode == 0, output.decode()
    finally:
        if process.returncode is None:
            process.kill()


async def test_open_event_streams_do_not_keep_it_from_stopping(
    api: Api, database_url: str, own_port: int
) -> None:
    operation_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    process = await start(database_url, own_port)
    try:
        await healthy(own_port)
        path = f"http://127.0.0.1:{own_port}/v1/operations/{operation_id}/events"
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", path, headers=api.headers()) as response,
        ):
            lines = response.aiter_lines()
            assert (await anext(lines)).startswith("id: ")
            process.send_signal(signal.SIGTERM)
            # Sooner than requests are given to end: streams are cut, and resume elsewhere.
            async with asyncio.timeout(_DRAIN_S / 2):
                with suppress(httpx.RemoteProtocolError):
                    assert [line async for line in lines if line.startswith("id: ")] == []
        output, _ = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode == 0, output.decode()
    finally:
        if process.returncode is None:
            process.kill()


async def test_an_address_that_is_taken_is_told_so(database_url: str) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with taken:
        process = await start(database_url, taken.sockets[0].getsockname()[1])
        output, _ = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode != 0
    assert b"PERDURE_API_PORT" in output


@pytest.mark.parametrize("stderr", [">/dev/full", ">&-"])
async def test_a_log_that_cannot_be_written_breaks_no_answer(
    api: Api, database_url: str, own_port: int, stderr: str
) -> None:
    port = own_port
    settings = {"DATABASE_URL": database_url, "PERDURE_API_PORT": str(port)}
    process = await asyncio.create_subprocess_shell(
        f"exec {sys.executable} -m perdure.cli.main api 2{stderr}",
        env=os.environ | settings | {"TEMPORAL_ADDRESS": "127.0.0.1:1"},
    )
    try:
        await healthy(port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            served = api.as_key(api.secret)
            served.http = http
            # Temporal is away, which is logged too, at once and by its own client.
            created(await served.pay(await served.new_wallet(5000)))
            refused(await served.get("/v1/payments/pay_1"), 404, "payment_not_found", "id")
            refused(await served.as_key("wrong").get("/v1/payments"), 401, "invalid_api_key")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
