"""The console of the real application, on a real database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from perdure.api.keys import create_key
from perdure.api.scopes import Role
from perdure.storage.pool import Pool

from .browsing import KEPT_TO, Browser

SignIn = Callable[[Role], Awaitable[Browser]]


@pytest.fixture
async def signed_in(app: FastAPI, pool: Pool) -> AsyncIterator[SignIn]:
    """Signs somebody of a role in."""
    opened: list[httpx.AsyncClient] = []

    async def sign_in(role: Role) -> Browser:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO)
        opened.append(http)
        _, secret = await create_key(pool, f"{role}-{uuid4().hex[:6]}", [], role=role)
        browser = Browser(http)
        assert (await browser.sign_in(secret)).status_code == 303
        return browser

    yield sign_in
    for http in opened:
        await http.aclose()


@pytest.fixture
async def browser(signed_in: SignIn) -> Browser:
    """An operator who is signed in."""
    return await signed_in(Role.OPERATOR)
