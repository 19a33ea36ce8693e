"""The whole platform in one process, on real servers and real ports, with nobody outside.

The outside systems that a test needs are simulators it runs itself, and names in the settings.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from temporalio.client import Client

from perdure.api.keys import create_key
from perdure.api.main import server_of
from perdure.bootstrap import Platform, compose, open_registrations
from perdure.config import Settings
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.durable.payloads.converter import data_converter
from perdure.durable.payloads.settings import PayloadSettings
from perdure.durable.registration import Registration
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, Balance, NewAccount, NewTransfer
from perdure.operations.model import Operation, Status
from perdure.simulators.mail import MailSettings, open_mail
from perdure.simulators.sms import SmsSettings, open_sms
from perdure.storage.pool import Pool, open_pool, transaction
from perdure.testing.polls import eventually
from perdure.testing.servers import migrated_database
from perdure.worker.janitor import janitor
from perdure.worker.main import build_worker
from perdure.worker.plans import ALL, queues_of, work_of

ENDED: Final = {"succeeded", "failed", "cancelled"}


@dataclass
class House:
    """Perdure with its API and its workers, and who delivers its messages.

    Attributes:
        registrations: The work of its queues.
    """

    platform: Platform
    api: httpx.AsyncClient
    mail: httpx.AsyncClient
    sms: httpx.AsyncClient
    registrations: list[Registration]
    workers: "Workers"

    async def restart_workers(self) -> None:
        """End the workers, and have new ones take up their work."""
        await self.workers.stop()
        await self.workers.start()

    async def account(self, *, funds_minor: int = 100_000, currency: str = "USD") -> dict[str, str]:
        """Open a customer's account with money on it; returns what a request needs of it."""
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

    async def end_of(self, operation_id: str, *, within_s: float = 60) -> Operation:
        """Wait for an operation's end."""
        return await self.until(operation_id, ENDED, within_s=within_s)

    async def until(
        self, operation_id: str, statuses: Iterable[str], *, within_s: float = 60
    ) -> Operation:
        """Wait until an operation has one of these statuses."""
        return await until_status(self.platform, operation_id, statuses, within_s=within_s)

    async def balance(self, account: dict[str, str]) -> Balance:
        """Return what is on an account."""
        async with self.platform.pool.acquire() as connection:
            return await self.platform.ledger.balance(connection, account["account_id"])

    async def steps(self, operation_id: str) -> list[str]:
        """Return the finished attempts at the operation's steps, as `step:outcome`."""
        attempts = await self.platform.operations.step_attempts(operation_id)
        return [f"{attempt.step}:{attempt.outcome}" for attempt in attempts]

    async def statuses(self, operation_id: str) -> list[Status]:
        """Return the statuses the operation went through."""
        found: list[Status] = []
        for entry in await self.platform.operations.trail(operation_id):
            if not found or found[-1] != entry.status:
                found.append(entry.status)
        return found


class Workers:
    """The workers of all queues.

    Args:
        registrations: The work of the queues.
    """

    def __init__(self, platform: Platform, registrations: list[Registration]) -> None:
        self._platform = platform
        self._registrations = registrations
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Have them poll."""
        for work in work_of(ALL, self._platform.kinds, self._registrations):
            await self._stack.enter_async_context(build_worker(self._platform, work))
            await self._stack.enter_async_context(work.running_beside())

    async def stop(self) -> None:
        """Have them end what they are at, and stop."""
        await self._stack.aclose()


async def until_status(
    platform: Platform, operation_id: str, statuses: Iterable[str], *, within_s: float = 60
) -> Operation:
    """Wait until an operation has one of these statuses."""
    operation: Operation | None = None
    wanted = set(statuses)

    async def has_it() -> bool:
        nonlocal operation
        operation = await platform.operations.get(operation_id)
        return operation.status in wanted

    await eventually(
        has_it,
        within_s=within_s,
        pause_s=0.05,
        why_not=lambda: f"{operation_id} is {operation and operation.status}, not {wanted}",
    )
    assert operation is not None
    return operation


@asynccontextmanager
async def open_house(
    postgres_url: str, client: Client, folder: Path, **settings: Any
) -> AsyncIterator[House]:
    """Open the platform, its API and its workers, on ports of their own.

    Its database is its own too: what others leave unfinished in theirs, its janitor need not heal.

    Args:
        folder: Where messages are kept.
        settings: Settings that differ from the house's own; those of a kind among them.
    """
    async with (
        migrated_database(postgres_url) as database_url,
        open_pool(database_url, size=20, application_name="perdure-tests") as pool,
        AsyncExitStack() as stack,
    ):

        async def http(base_url: str, **options: Any) -> httpx.AsyncClient:
            return await stack.enter_async_context(
                httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False, **options)
            )

        mail = await stack.enter_async_context(
            open_mail(MailSettings(folder / "mail", port=0, smtp_port=0))
        )
        sms = await stack.enter_async_context(open_sms(SmsSettings(folder / "sms", port=0)))
        listener = socket.create_server(("127.0.0.1", 0))
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        given: dict[str, Any] = {
            "DATABASE_URL": database_url,
            "gateway_callback_url": f"{api_url}/v1/callbacks/gateway",
            "identity_callback_url": f"{api_url}/v1/callbacks/identity",
            "mail_port": mail.smtp,
            "mail_inquiry_url": f"http://127.0.0.1:{mail.http}",
            "sms_url": f"http://127.0.0.1:{sms}",
            "workflow_sandbox": True,
            "janitor_interval_s": 0.5,
        }
        told = Settings(**(given | settings))
        own: Any = {"data_converter": data_converter(told.of(PayloadSettings), pool)}
        platform = _with_own_queues(told, pool, Client(**client.config() | own))
        stack.push_async_callback(platform.close)
        await stack.enter_async_context(_served(platform, listener))
        registrations = await stack.enter_async_context(open_registrations(platform))
        workers = Workers(platform, registrations)
        stack.push_async_callback(workers.stop)
        await workers.start()
        looking = asyncio.create_task(janitor(platform).run())
        stack.callback(looking.cancel)
        _, secret = await create_key(pool, f"tests-{uuid4().hex[:8]}", ["admin"])
        yield House(
            platform,
            await http(api_url, headers={"Authorization": f"Bearer {secret}"}),
            await http(f"http://127.0.0.1:{mail.http}"),
            await http(f"http://127.0.0.1:{sms}"),
            registrations,
            workers,
        )


def _with_own_queues(settings: Settings, pool: Pool, client: Client) -> Platform:
    """Put the platform together: a house beside it, on the same Temporal, does not get its work."""
    queues = queues_of(ALL, compose(settings, pool, client).kinds)
    suffix = uuid4().hex[:8]
    own = {"queues": {queue: f"{queue}-{suffix}" for queue in queues} | settings.queues}
    return compose(settings.model_copy(update=own), pool, client)


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
