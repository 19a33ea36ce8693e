"""A payment's life by `perdure payments …`, with Stripe's own `stripe-mock` as the gateway.

It remembers nothing, and repeats of what it is asked no metadata: so it is begun anew with its own
fixtures, changed in the state that its answers are to tell of, and in whose they are: so its books
agree with ours after each. That what is
cancelled or given back was asked for is not to be seen this way: `test_stripe_mock.py` has those
requests, and the simulator what becomes of them.
"""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from perdure.capability.books import violations
from perdure.core.ports import LOOPBACK
from perdure.outside import use_of
from perdure.providers.gateway import GATEWAY_ROLE
from tests.integration.cli.shell import ServedApi, Shell
from tests.integration.providers.test_stripe_mock import PACKAGE, listens, stripe_mock
from tests.polls import eventually

from .town import open_town

AMOUNT_MINOR = 1250


@dataclass
class Mock:
    """Stripe's own server, which begins anew with each state it is to tell of."""

    binary: Path
    fixtures: dict[str, Any]
    folder: Path
    port: int

    @asynccontextmanager
    async def telling(self, status: str, payment_id: str, refund_id: str) -> AsyncIterator[Path]:
        """Run it; yields its log."""
        metadata = {"perdure_reference": payment_id}
        intent = {"status": status, "amount_received": AMOUNT_MINOR, "last_payment_error": None}
        resources = self.fixtures["resources"]
        refund = {"amount": AMOUNT_MINOR, "metadata": {"perdure_reference": refund_id}}
        if refund_id:
            refund["payment_intent"] = resources["payment_intent"]["id"]
        resources["payment_intent"] |= intent | {"amount": AMOUNT_MINOR, "metadata": metadata}
        resources["refund"] |= refund
        path, log = self.folder / "fixtures.json", self.folder / "log"
        path.write_text(json.dumps(self.fixtures))
        with log.open("w") as told:
            process = await asyncio.create_subprocess_exec(
                *(self.binary, "-http-addr", f"{LOOPBACK}:{self.port}"),
                *("-fixtures", path, "-verbose"),
                stdout=told,
                stderr=told,
            )
        try:
            await eventually(lambda: listens(self.port))
            yield log
        finally:
            process.terminate()
            await process.wait()


@pytest.fixture
def mock(tmp_path: Path, own_port: int) -> Mock:
    binary = stripe_mock()
    try:
        found = subprocess.run(
            ["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True
        )
        path = Path(found.stdout.strip(), PACKAGE, "embedded", "openapi", "fixtures3.json")
        fixtures = json.loads(path.read_text())
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"stripe-mock's fixtures are not here; `go mod download {PACKAGE}`: {error}")
    return Mock(binary, fixtures, tmp_path, own_port)


@pytest.fixture
def at_stripe(mock: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a Stripe account, whose API is the mock."""
    monkeypatch.setenv("PERDURE_STRIPE_API_BASE", f"http://{LOOPBACK}:{mock.port}")
    monkeypatch.setenv("PERDURE_STRIPE_API_KEY", "sk_test_1")


@pytest.mark.usefixtures("at_stripe")
async def test_a_payment_lives_by_commands_with_stripes_own_server_as_its_gateway(
    postgres_url: str, temporal_client: Client, mock: Mock, tmp_path: Path
) -> None:
    async with open_town(
        postgres_url, temporal_client, tmp_path / "town", gateway="stripe"
    ) as town:
        key = str(town.api.headers["Authorization"]).removeprefix("Bearer ")
        api = ServedApi("", str(town.api.base_url).rstrip("/"), key)
        shell = Shell("", tmp_path, api)

        async def perdure(*words: str) -> dict[str, Any]:
            return await asyncio.to_thread(shell.json, *words)

        at_mock = {"gateway": {"": use_of(GATEWAY_ROLE, town.platform.settings)}}
        account = await town.account()
        create = (
            *("payments", "create", "--customer", account["customer_id"]),
            *("--account", account["account_id"], "--amount-minor", str(AMOUNT_MINOR)),
            *("--payment-method", "pm_card_visa"),
        )
        paid = (await perdure(*create))["id"]
        async with mock.telling("succeeded", paid, "") as log:
            assert (await town.end_of(paid)).status == "succeeded"
            assert "POST /v1/payment_intents" in log.read_text()
            assert await violations(town.platform.pool, at_mock) == []
        shown = await perdure("payments", "get", paid)
        assert (shown["status"], shown["charge_id"][:3]) == ("succeeded", "pi_")

        refund = (await perdure("payments", "refund", paid, "--reason", "asked for"))["id"]
        async with mock.telling("succeeded", paid, refund) as log:
            ended = await town.end_of(refund)
            assert (ended.status, ended.failure) == ("succeeded", None)
            assert re.search("GET /v1/refunds", log.read_text())
            assert await violations(town.platform.pool, at_mock) == []
        assert (await town.balance(account)).available_minor == 100_000

        stopped = (await perdure(*create))["id"]
        told = await perdure("operations", "cancel", stopped, "--reason", "a typo")
        assert told["id"] == stopped
        async with mock.telling("canceled", stopped, ""):
            assert (await town.end_of(stopped)).status == "cancelled"
        assert (await town.balance(account)).available_minor == 100_000
