"""Giftcards, by the contract of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from perdure import ProviderHost, Settings, use_of
from perdure.providers import choice
from perdure.testing.kind_contract import KindContract
from perdure_giftcards.provider import GIFTCARD_ROLE, HttpGiftcardProvider
from perdure_giftcards.simulator import SOLD_OUT, open_simulator


class TestGiftcards(KindContract):
    """Everything that a giftcard has to do."""

    plural = "giftcards"
    asks: ClassVar = {"item": "standard"}
    asks_refused: ClassVar = {"item": SOLD_OUT}
    refused_code = "sold_out"

    @asynccontextmanager
    async def open_provider(self, folder: Path) -> AsyncIterator[str]:
        """Run a provider of giftcards."""
        async with open_simulator(folder) as url:
            yield url

    def environment(self, url: str) -> dict[str, str]:
        """Return where it is."""
        return {"PERDURE_GIFTCARDS_URL": url, "PERDURE_GIFTCARDS_TIMEOUT_S": "1"}

    async def standing(self, url: str, operation_id: str) -> int:
        """Return how many orders of a giftcard the provider keeps as fulfilled."""
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            page = (await client.get("/v1/orders", params={"reference": operation_id})).json()
        return sum(order["status"] == "fulfilled" for order in page["data"])


class OtherProvider(HttpGiftcardProvider):
    """Another class, as a package brings it."""


async def test_another_class_serves_it_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by its entry point."""
    brought = EntryPoint("other", f"{__name__}:OtherProvider", choice.GROUP)
    monkeypatch.setenv("PERDURE_GIFTCARDS_URL", "http://127.0.0.1:8190")
    monkeypatch.setattr(choice, "entry_points", lambda **_: [brought])
    for chosen, made in (("http", HttpGiftcardProvider), ("other", OtherProvider)):
        monkeypatch.setenv("PERDURE_GIFTCARDS", chosen)
        async with ProviderHost(timeout_s=1) as host:
            assert type(use_of(GIFTCARD_ROLE, Settings()).make(host)) is made
