"""Simulators as processes of their own, killed and started again."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import httpx
import pytest
from tests.polls import eventually

from perdure.core.errors import ProviderError
from perdure.core.ports import LOOPBACK, hold_port
from perdure.providers.bank import HttpPayoutBank
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.http_client import open_http_client
from perdure.providers.mail import Mail, SmtpMailer
from perdure.providers.registry import HttpDomainRegistry
from perdure.providers.sms import HttpSmsSender

from .conftest import SECRET, Receiver

PROGRAM = """
import pathlib, sys
from perdure.cli.event_loop import run_lasting
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailSettings, open_mail
from perdure.simulators.main import run_simulator
from perdure.simulators.registry import RegistriesSettings, RegistrySettings, open_registries
from perdure.simulators.registry_admission import RegistryLimits
from perdure.simulators.sms import SmsSettings, open_sms
data_dir = pathlib.Path(sys.argv[2])
run_lasting(run_simulator("of the test", eval(sys.argv[1], globals())))
"""


class Simulator:
    """One simulator process after another, on one port and one data directory."""

    def __init__(self, settings: str, data_dir: Path, http: httpx.AsyncClient) -> None:
        self._arguments = ["-c", PROGRAM, settings, str(data_dir)]
        self._http = http
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, stdout=asyncio.subprocess.DEVNULL
        )
        await eventually(self._is_ready)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        if self._process is None or self._process.returncode is not None:
            return 0
        self._process.terminate()
        return await self._process.wait()

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None
        try:
            return (await self._http.get("/healthz")).is_success
        except httpx.TransportError:
            return False


class Running(NamedTuple):
    """A simulator, a client to look into it with, and the client of a provider."""

    simulator: Simulator
    http: httpx.AsyncClient
    client: aiohttp.ClientSession


StartSimulator = Callable[[str], Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path, own_port: int) -> AsyncIterator[StartSimulator]:
    """Starts a simulator with settings in which `{port}` is its port."""
    started: list[Simulator] = []
    url = f"http://127.0.0.1:{own_port}"
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as http,
        open_http_client(url, timeout_s=30) as client,
    ):

        async def begin(settings: str) -> Running:
            simulator = Simulator(settings.replace("{port}", str(own_port)), tmp_path, http)
            started.append(simulator)
            await simulator.start()
            return Running(simulator, http, client)

        yield begin
        for simulator in started:
            await simulator.stop()


async def totals(http: httpx.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get("/v1/totals")).json()
    return answer


async def test_every_charge_that_was_answered_outlives_a_kill(start: StartSimulator) -> None:
    settings = (
        f"open_gateway(GatewaySettings(data_dir, {SECRET!r}, port={{port}}, confirm_delay_s=0.0))"
    )
    simulator, http, opened = await start(settings)
    client = HttpPaymentGateway(opened)
    answered: set[str] = set()

    async def charge(reference: str) -> None:
        try:
            await client.charge(
                reference=reference, amount_minor=5, currency="EUR", payment_method="tok_ok"
            )
            answered.add(reference)
        except ProviderError:
            pass

    async def some_were_answered() -> bool:
        return len(answered) >= 30

    charging = asyncio.gather(*(charge(f"pay_{number}") for number in range(300)))
    await eventually(some_were_answered)
    await simulator.kill()
    await charging
    await simulator.start()
    known = (await http.get("/v1/charges?limit=1000")).json()["data"]
    assert answered <= {charge["reference"] for charge in known}
    found = await totals(http)
    assert found["charges"]["count"] == len(known)
    assert found["duplicates"]["count"] == 0
    assert await simulator.stop() == 0


async def test_confirmations_and_callbacks_go_on_after_a_kill(
    start: StartSimulator, receiver: Receiver
) -> None:
    settings = (
        f"open_gateway(GatewaySettings(data_dir, {SECRET!r}, port={{port}}, confirm_delay_s=0.5))"
    )
    simulator, http, opened = await start(settings)
    client = HttpPaymentGateway(opened)

    async def charge(reference: str) -> None:
        await client.charge(
            reference=reference,
            amount_minor=1250,
            currency="EUR",
            payment_method="tok_ok",
            callback_url=receiver.url,
        )

    async def is_owed() -> bool:
        return receiver.deliveries > 0

    receiver.refusals = 10**9
    await charge("pay_undelivered")
    await eventually(is_owed)
    await charge("pay_unconfirmed")
    await simulator.kill()
    assert receiver.events == []
    receiver.refusals = 0
    await simulator.start()

    async def all_came() -> bool:
        return len(receiver.events) == 2

    await eventually(all_came)
    assert {event.told.reference for event in receiver.events} == {
        "pay_undelivered",
        "pay_unconfirmed",
    }

    await client.refund(reference="refund", charge_reference="pay_unconfirmed", amount_minor=50)
    await simulator.kill()
    await simulator.start()
    refund = await client.find_refund("refund", charge_reference="pay_1")
    assert refund is not None
    assert refund.amount_minor == 50
    found = await totals(http)
    assert found["callbacks"] == {"delivered": 2, "undelivered": 0}
    assert found["refunds"] == {"count": 1, "refunded_minor": {"EUR": 50}}
    assert found["charges"]["succeeded_minor"] == {"EUR": 2500}
    assert len(receiver.events) == 2


@pytest.fixture
def smtp_port() -> Iterator[int]:
    with hold_port(LOOPBACK, 0) as held:
        yield held.number


async def test_mails_outlive_a_kill(start: StartSimulator, smtp_port: int) -> None:
    settings = f"open_mail(MailSettings(data_dir, port={{port}}, smtp_port={smtp_port}))"
    simulator, http, client = await start(settings)
    sender = SmtpMailer(LOOPBACK, smtp_port, timeout_s=30, inquiry=client)
    await sender.send(Mail("<1@example.org>", "ada@example.org", "Hi", "Text", "us@example.org"))
    await simulator.kill()
    await simulator.start()
    assert await sender.was_sent("<1@example.org>") is True
    assert (await totals(http))["messages"] == 1
    assert await simulator.stop() == 0


async def test_texts_outlive_a_kill(start: StartSimulator) -> None:
    simulator, http, client = await start("open_sms(SmsSettings(data_dir, port={port}))")
    sender = HttpSmsSender(client)
    await sender.send(reference="ntf_1", to="+491701234567", text="Hello")
    await simulator.kill()
    await simulator.start()
    assert await sender.was_sent("ntf_1") is True
    await sender.send(reference="ntf_1", to="+491701234567", text="Hello")
    assert (await totals(http))["messages"] == 1


async def test_every_payout_recall_and_refusal_outlives_a_kill(start: StartSimulator) -> None:
    simulator, http, client = await start("open_bank(BankSettings(data_dir, port={port}))")
    bank = HttpPayoutBank(client)
    answered: set[str] = set()

    async def pay_out(reference: str, destination: str = "dest_ok") -> None:
        try:
            await bank.pay_out(
                reference=reference, amount_minor=5, currency="EUR", destination=destination
            )
            answered.add(reference)
        except ProviderError:
            pass

    async def some_were_answered() -> bool:
        return len(answered) >= 30

    await pay_out("tfr_recalled")
    recalled = await bank.recall_payout("tfr_recalled")
    never_seen = await bank.recall_payout("tfr_never_seen")
    for _ in range(2):
        await pay_out("tfr_flaky", "dest_flaky")
    paying = asyncio.gather(*(pay_out(f"tfr_{number}") for number in range(300)))
    await eventually(some_were_answered)
    await simulator.kill()
    await paying
    await simulator.start()
    known = (await http.get("/v1/payouts?limit=1000")).json()["data"]
    assert answered <= {payout["reference"] for payout in known}
    assert await bank.find_payout("tfr_recalled") == recalled
    assert await bank.find_payout("tfr_never_seen") == never_seen
    payouts = (await totals(http))["payouts"]
    assert (payouts["count"], payouts["recalled"]) == (len(known), 2)
    assert payouts["paid_minor"] == {"EUR": 5 * (len(known) - 2)}
    await pay_out("tfr_flaky", "dest_flaky")
    assert "tfr_flaky" in answered
    assert await simulator.stop() == 0


async def test_every_renewal_and_undoing_outlives_a_kill(start: StartSimulator) -> None:
    one = "RegistrySettings(data_dir, 'info', {port}, 1499, True, RegistryLimits())"
    simulator, http, client = await start(f"open_registries(RegistriesSettings(({one},)))")
    registry = HttpDomainRegistry(client, "info")
    answered: set[str] = set()

    async def renew(name: str) -> None:
        try:
            known = await registry.domain(name)
            renewal = await registry.renew(
                reference=name, domain=name, current_expires_on=known.expires_on, years=1
            )
            answered.add(renewal.reference)
        except ProviderError:
            pass

    async def some_were_answered() -> bool:
        return len(answered) >= 30

    await renew("undone.info")
    undone = await registry.undo_renewal("undone.info")
    await renew("flaky-shop.info")
    renewing = asyncio.gather(*(renew(f"shop-{number}.info") for number in range(300)))
    await eventually(some_were_answered)
    await simulator.kill()
    await renewing
    await simulator.start()
    known = (await http.get("/control/renewals?limit=1000")).json()["data"]
    assert answered <= {renewal["reference"] for renewal in known}
    assert await registry.find_renewal("undone.info") == undone
    assert (await registry.domain("undone.info")).expires_on == undone.expires_on
    for renewal in known[1:]:
        domain = (await http.get(f"/control/domains/{renewal['domain']}")).json()
        assert (domain["expires_on"], domain["times_renewed"]) == (renewal["expires_on"], 1)
    counted = (await totals(http))["renewals"]
    assert (counted["count"], counted["undone"]) == (len(known), 1)
    assert counted["billed_minor"] == {"USD": 1499 * (len(known) - 1)}
    for _ in range(2):
        await renew("flaky-shop.info")
    assert "flaky-shop.info" in answered
    assert await simulator.stop() == 0
