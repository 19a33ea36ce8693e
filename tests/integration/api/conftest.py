"""The real application on a real database; Temporal is away, as it may be: starts are postponed."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client

from perdure.api.app import create_app
from perdure.api.keys import create_key
from perdure.api.main import server_of
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.core.gears import AskedGear
from perdure.core.ports import LOOPBACK, hold_port
from perdure.storage.pool import Pool

from .api_client import Api
from .described import check_described

CALLBACK_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        gateway_callback_secrets=[SecretStr(CALLBACK_SECRET)],
        identity_callback_secrets=[SecretStr(CALLBACK_SECRET)],
        gear=AskedGear.OWN_WORKFLOW,
    )


@pytest.fixture(scope="session")
async def platform(settings: Settings, pool: Pool) -> AsyncIterator[Platform]:
    """The platform; nobody listens where its Temporal client points."""
    with hold_port(LOOPBACK, 0) as nobody:
        client = await Client.connect(f"{LOOPBACK}:{nobody.number}", lazy=True)
        platform = compose(settings, pool, client)
        await platform.flag_provider.refresh()
        yield platform


@pytest.fixture(scope="session")
async def admin_secret(pool: Pool) -> str:
    _, secret = await create_key(pool, "tests", [ADMIN])
    return secret


def _client(**given: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(event_hooks={"response": [check_described]}, **given)


@asynccontextmanager
async def api_on(platform: Platform, secret: str, app: FastAPI | None = None) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(app=app or create_app(platform))
    async with _client(transport=transport, base_url="http://api") as http:
        yield Api(http, secret)


@pytest.fixture(scope="session")
def app(platform: Platform) -> FastAPI:
    """The application whose routes are put together once: it takes longer than most tests."""
    return create_app(platform)


@pytest.fixture
async def api(app: FastAPI, platform: Platform, admin_secret: str) -> AsyncIterator[Api]:
    """A caller with every scope, of an application that has not been asked anything."""
    app.state = create_app(platform).state
    async with api_on(platform, admin_secret, app) as api:
        yield api


@asynccontextmanager
async def served(platform: Platform, secret: str) -> AsyncIterator[Api]:
    """Serve the application with uvicorn on a free port."""
    server = server_of(platform)
    # Who connects before the server accepts waits in the socket's queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with _client(base_url=url, timeout=30) as http:
                yield Api(http, secret)
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def server(platform: Platform, admin_secret: str) -> AsyncIterator[Api]:
    """A caller with every scope, over the network."""
    async with served(platform, admin_secret) as api:
        yield api
