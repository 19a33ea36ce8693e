"""The whole platform and the outside world in one process, on real servers and real ports."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from temporalio.client import Client

from perdure.api.keys import create_key
from perdure.api.main import server_of
from perdure.bootstrap import Platform, compose, open_registrations
from perdure.config import Settings
from perdure.core.clock import utc_now
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.durable.queues import FRAUD, LANES, NOTIFICATIONS, OPERATIONS, provider_queue
from perdure.fraud.contracts import SCORER
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, Balance, NewAccount, NewTransfer
from perdure.operations.model import Operation, Status
from perdure.payments.contracts import GATEWAY
from perdure.providers.registry import registry_name
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailSettings, open_mail
from perdure.simulators.sms import SmsSettings, open_sms
from perdure.storage.pool import open_pool, transaction
from perdure.transfers.contracts import BANK
from perdure.worker.janitor import janitor
from perdure.worker.main import build_worker
from perdure.worker.plans import ALL, work_of
from tests.polls import eventually
from tests.servers import RunningRegistry, migrated_database, running_registry

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMDAwMDAwMA=="
TLDS = ("info", "fr")
"""One whose registry takes renewals back, and one whose does not."""
PROVIDERS = (GATEWAY, BANK, SCORER, *(registry_name(tld) for tld in TLDS))
QUEUES = (OPERATIONS, LANES, FRAUD, NOTIFICATIONS, *(provider_queue(name) for name in PROVIDERS))
ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class Town:
    """Perdure with its API, and the providers it talks to."""

    platform: Platform
    api: httpx.AsyncClient
    gateway: httpx.AsyncClient
    bank: httpx.AsyncClient
    mail: httpx.AsyncClient
    sms: httpx.AsyncClient
    registries: dict[str, RunningRegistry]

    async def account(self, *, funds_minor: int = 100_000, currency: str = "USD") -> dict[str, str]:
        """Open a customer's account with money on it; returns what a payment needs of it."""
        customer_id = f"cus_{uuid4().hex[:8]}"
        new = NewAccount(
            id=new_id(ACCOUNT),
            name="Wallet",
            kind=AccountKind.LIABILITY,
            currency=currency,
            customer_id=customer_id,
        )
        ledger = self.platform.ledger
        async with transaction(self.platform.pool) as connection:
            await ensure_system_accounts(ledger, connection, [currency])
            await ledger.open_account(connection, new)
            if funds_minor:
                bank = system_account_id(SystemAccount.BANK, currency)
                await ledger.post(
                    connection,
                    NewTransfer(
                        id=new_id(TRANSFER),
                        debit_account_id=bank,
                        credit_account_id=new.id,
                        amount_minor=funds_minor,
                        currency=currency,
                        code="deposit",
                    ),
                )
        return {"customer_id": customer_id, "account_id": new.id, "currency": currency}

    async def pay(
        self,
        account: dict[str, str],
        *,
        amount_minor: int = 1_000,
        token: str = "tok_ok",
        **more: Any,
    ) -> str:
        """Ask for a payment through the API; returns its id."""
        body = {**account, "amount_minor": amount_minor, "payment_method": token, **more}
        response = await self.api.post("/v1/payments", json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def end_of(self, payment_id: str, *, within_s: float = 60) -> Operation:
        """Wait for a payment's end."""
        return await self.until(payment_id, ENDED, within_s=within_s)

    async def until(
        self, payment_id: str, statuses: set[str], *, within_s: float = 60
    ) -> Operation:
        """Wait until a payment has one of these statuses."""
        return await until_status(self.platform, payment_id, statuses, within_s=within_s)

    async def balance(self, account: dict[str, str]) -> Balance:
        """Return what is on an account."""
        async with self.platform.pool.acquire() as connection:
            return await self.platform.ledger.balance(connection, account["account_id"])

    async def charges(self, payment_id: str) -> list[dict[str, Any]]:
        """Return what the gateway's own books say of a payment."""
        page = (await self.gateway.get("/v1/charges", params={"reference": payment_id})).json()
        data: list[dict[str, Any]] = page["data"]
        return data

    async def collected(self, payment_id: str) -> dict[str, Any]:
        """Wait until the gateway has a payment's money; returns the charge."""

        async def is_collected() -> dict[str, Any] | None:
            charges = await self.charges(payment_id)
            return charges[0] if charges and charges[0]["status"] == "succeeded" else None

        return await eventually(is_collected)

    async def steps(self, payment_id: str) -> list[str]:
        """Return the finished attempts at the payment's steps, as `step:outcome`."""
        attempts = await self.platform.operations.step_attempts(payment_id)
        return [f"{attempt.step}:{attempt.outcome}" for attempt in attempts]

    async def statuses(self, payment_id: str) -> list[Status]:
        """Return the statuses the payment went through."""
        found: list[Status] = []
        for entry in await self.platform.operations.trail(payment_id):
            if not found or found[-1] != entry.status:
                found.append(entry.status)
        return found


async def until_status(
    platform: Platform, operation_id: str, statuses: set[str], *, within_s: float = 60
) -> Operation:
    """Wait until an operation has one of these statuses."""
    operation: Operation | None = None

    async def has_it() -> bool:
        nonlocal operation
        operation = await platform.operations.get(operation_id)
        return operation.status in statuses

    await eventually(
        has_it,
        within_s=within_s,
        pause_s=0.05,
        why_not=lambda: f"{operation_id} is {operation and operation.status}, not {statuses}",
    )
    assert operation is not None
    return operation


@asynccontextmanager
async def open_town(
    postgres_url: str, client: Client, folder: Path, **settings: Any
) -> AsyncIterator[Town]:
    """Open the platform, its API, its workers and the providers, on ports of their own.

    Its database is its own too: what others leave unfinished in theirs, its janitor need not heal.

    Args:
        settings: Settings that differ from the tests' own.
    """
    async with (
        migrated_database(postgres_url) as database_url,
        open_pool(database_url, size=20, application_name="perdure-tests") as pool,
        AsyncExitStack() as stack,
    ):

        async def http(base_url: str, **options: Any) -> httpx.AsyncClient:
            return await stack.enter_async_context(
                httpx.AsyncClient(base_url=base_url, timeout=30, **options)
            )

        gateway = await stack.enter_async_context(
            open_gateway(
                GatewaySettings(folder / "gateway", SECRET, port=0, confirm_delay_s=0.1, slow_s=0.5)
            )
        )
        scorer = await stack.enter_async_context(
            open_fraud_scorer(FraudScorerSettings(port=0, slow_s=1))
        )
        bank = await stack.enter_async_context(open_bank(BankSettings(folder / "bank", port=0)))
        mail = await stack.enter_async_context(
            open_mail(MailSettings(folder / "mail", port=0, smtp_port=0))
        )
        sms = await stack.enter_async_context(open_sms(SmsSettings(folder / "sms", port=0)))
        registries = await stack.enter_async_context(_open_registries(folder))
        listener = _free_listener()
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        platform = compose(
            _settings(
                settings,
                DATABASE_URL=database_url,
                gateway_url=f"http://127.0.0.1:{gateway}",
                gateway_callback_url=f"{api_url}/v1/callbacks/gateway",
                bank_url=f"http://127.0.0.1:{bank}",
                registry_urls={tld: registry.url for tld, registry in registries.items()},
                fraud_scorer_url=f"http://127.0.0.1:{scorer}",
                mail_port=mail.smtp,
                mail_inquiry_url=f"http://127.0.0.1:{mail.http}",
                sms_url=f"http://127.0.0.1:{sms}",
            ),
            pool,
            client,
        )
        await stack.enter_async_context(_served(platform, listener))
        registrations = await stack.enter_async_context(open_registrations(platform))
        for work in work_of(ALL, platform.kinds, registrations):
            await stack.enter_async_context(build_worker(platform, work))
        looking = asyncio.create_task(janitor(platform).run())
        stack.callback(looking.cancel)
        _, secret = await create_key(pool, f"tests-{uuid4().hex[:8]}", ["admin"])
        yield Town(
            platform,
            await http(api_url, headers={"Authorization": f"Bearer {secret}"}),
            await http(f"http://127.0.0.1:{gateway}"),
            await http(f"http://127.0.0.1:{bank}"),
            await http(f"http://127.0.0.1:{mail.http}"),
            await http(f"http://127.0.0.1:{sms}"),
            registries,
        )


def _settings(given: dict[str, Any], **addresses: Any) -> Settings:
    """Return a town's settings: short times, and queues of its own."""
    suffix = uuid4().hex[:8]
    defaults: dict[str, Any] = {
        "queues": {queue: f"{queue}-{suffix}" for queue in QUEUES},
        "gateway_callback_secrets": [SECRET],
        "gateway_timeout_s": 1.5,
        "bank_timeout_s": 1.5,
        "registry_timeout_s": 1.5,
        "workflow_sandbox": True,
        "payment_callback_timeout_s": 5,
        "janitor_interval_s": 0.5,
    }
    return Settings(**(defaults | addresses | given))


def _free_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@asynccontextmanager
async def _open_registries(folder: Path) -> AsyncIterator[dict[str, RunningRegistry]]:
    """Run registries whose day is ours, by TLD."""
    async with AsyncExitStack() as stack:
        yield {
            tld: await stack.enter_async_context(
                running_registry(folder / "registries", tld, day=utc_now().date())
            )
            for tld in TLDS
        }


@asynccontextmanager
async def _served(platform: Platform, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the API on a socket that listens already, with the flags as they stand."""
    await platform.flag_provider.refresh()
    server = server_of(platform)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
