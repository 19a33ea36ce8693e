"""Acme's class, by the contract of every SMS provider, against a small Acme."""

from collections.abc import AsyncIterator

import pytest
from acme_sms.sms import AcmeSettings, AcmeSms
from aiohttp import web
from pydantic import SecretStr

from perdure import ProviderHost
from perdure.testing.message_contracts import SmsSenderContract


class Acme:
    """A server that answers as Acme does."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    async def send(self, request: web.Request) -> web.Response:
        """Take a text."""
        if request.headers.get("Authorization") != "Bearer hunter2":
            return web.json_response({"error": {"code": "no_such_key"}}, status=401)
        asked = await request.json()
        if asked["recipient"].endswith("0001"):
            return web.json_response({"error": {"code": "number_blocked"}}, status=422)
        self.messages[asked["client_ref"]] = asked["body"]
        return web.json_response({"id": asked["client_ref"]})

    async def find(self, request: web.Request) -> web.Response:
        """Tell of a text."""
        reference = request.query["client_ref"]
        found = [{"id": reference}] if reference in self.messages else []
        return web.json_response({"messages": found})


class TestAcmeSms(SmsSenderContract):
    """Everything that an SMS provider has to do."""

    takes, rejects = "+49170129999", "+49170120001"

    @pytest.fixture
    async def server(self) -> AsyncIterator[str]:
        """A server of Acme's."""
        acme, application = Acme(), web.Application()
        application.router.add_post("/2026/messages", acme.send)
        application.router.add_get("/2026/messages", acme.find)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()

    def make(self, url: str, host: ProviderHost) -> AcmeSms:
        """Return our class, as it is at a URL."""
        return AcmeSms.from_settings(AcmeSettings(url=url, api_key=SecretStr("hunter2")), host)
