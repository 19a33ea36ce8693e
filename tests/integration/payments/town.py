"""The whole platform and the outside world in one process, on real servers and real ports."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from temporalio.client import Client

from perdure.capability.books import Providers
from perdure.core.clock import utc_now
from perdure.operations.janitor import LOCK
from perdure.providers.bank import BANK_ROLE
from perdure.providers.gateway import GATEWAY_ROLE
from perdure.providers.registry import REGISTRY_ROLE
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.testing.house import ENDED, House, open_house, until_status
from tests.polls import eventually
from tests.servers import RunningRegistry, running_registry

__all__ = ["ENDED", "SECRET", "Town", "open_town", "until_status"]

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMDAwMDAwMA=="
TLDS = ("info", "fr")
"""One whose registry takes renewals back, and one whose does not."""


@dataclass
class Town(House):
    """Perdure with its API, and the providers it talks to."""

    gateway: httpx.AsyncClient
    bank: httpx.AsyncClient
    registries: dict[str, RunningRegistry]
    books: Providers
    """Whose books `verify` compares with ours."""

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


@asynccontextmanager
async def open_town(
    postgres_url: str, client: Client, folder: Path, **settings: Any
) -> AsyncIterator[Town]:
    """Open the house with all its providers, on ports of their own.

    Args:
        settings: Settings that differ from the tests' own.
    """
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            open_gateway(
                GatewaySettings(folder / "gateway", SECRET, port=0, confirm_delay_s=0.1, slow_s=0.5)
            )
        )
        scorer = await stack.enter_async_context(
            open_fraud_scorer(FraudScorerSettings(port=0, slow_s=1))
        )
        bank = await stack.enter_async_context(open_bank(BankSettings(folder / "bank", port=0)))
        registries = await stack.enter_async_context(_open_registries(folder))
        given: dict[str, Any] = {
            "gateway_url": f"http://127.0.0.1:{gateway}",
            "gateway_callback_secrets": [SECRET],
            "gateway_timeout_s": 1.5,
            "bank_url": f"http://127.0.0.1:{bank}",
            "bank_timeout_s": 1.5,
            "registry_urls": {tld: registry.url for tld, registry in registries.items()},
            "registry_timeout_s": 1.5,
            "fraud_scorer_url": f"http://127.0.0.1:{scorer}",
            "payment_callback_timeout_s": 5,
            # Most of these tests are about workflows; what is about another gear asks for it.
            "gear": "own_workflow",
        }
        house = await stack.enter_async_context(
            open_house(postgres_url, client, folder, **(given | settings))
        )
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
            for url in (given["gateway_url"], given["bank_url"])
        ]
        books: Providers = {
            "gateway": {"": GATEWAY_ROLE.at(given["gateway_url"])},
            "bank": {"": BANK_ROLE.at(given["bank_url"])},
            "registry": {
                tld: REGISTRY_ROLE.at(url, tld) for tld, url in given["registry_urls"].items()
            },
        }
        yield Town(
            **vars(house), gateway=clients[0], bank=clients[1], registries=registries, books=books
        )


@asynccontextmanager
async def open_quiet_town(
    postgres_url: str, client: Client, folder: Path, **settings: Any
) -> AsyncIterator[Town]:
    """Open a town whose janitor has looked once, as it does at its start, and looks no more."""
    given = {"janitor_interval_s": 86_400} | settings
    async with open_town(postgres_url, client, folder, **given) as town:
        await eventually(lambda: town.platform.pool.fetchval(_LOOKED_ONCE, LOCK))
        yield town


# Others hold locks for as long as they run: the worker's of its lanes.
_LOOKED_ONCE: Final = """
SELECT EXISTS (SELECT FROM janitor_marks) AND NOT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND objid = $1 AND objsubid = 1 AND datname = current_database())
"""


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
