"""Calls of a provider whose answer is a number, and what they raise."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from pydantic import TypeAdapter

from perdure.core.errors import PerdureError
from perdure.providers.http import ProviderHttp

NUMBER = TypeAdapter(int)
LONG_S = 10.0

Call = Callable[[ProviderHttp], Awaitable[int]]


async def act(http: ProviderHttp) -> int:
    return await http.act("/things", {"a": 1}, NUMBER, idempotency_key="key-1")


async def read(http: ProviderHttp) -> int:
    return await http.read("/things", NUMBER, params={"reference": "r"})


async def ask(http: ProviderHttp) -> int:
    return await http.read("/things", NUMBER, body={"a": 1})


async def failure_of(call: Call, client: aiohttp.ClientSession) -> PerdureError:
    """Return what a call raises."""
    with pytest.raises(PerdureError) as caught:
        await call(ProviderHttp(client, "The provider"))
    return caught.value
