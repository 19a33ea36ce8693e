"""The real servers that tests run on: PostgreSQL and Temporal, once a session, and registries."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
from temporalio.client import Client

from perdure.core.ports import LOOPBACK, hold_port
from perdure.durable.client import connect
from perdure.embedded.postgres import start_postgres
from perdure.embedded.temporal import TemporalServer, run_temporal
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.providers.http_client import open_http_client
from perdure.providers.registry import HttpDomainRegistry, RegistryRenewal
from perdure.simulators.registry import RegistrySettings, open_registry
from perdure.simulators.registry_admission import RegistryLimits
from perdure.storage.migrate import migrate

REGISTRY_DAY: Final = date(2026, 1, 1)
"""The day of a registry under test: most domains expire within the 90 days after it."""


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Give a server's URL: `DATABASE_URL` where it is set, else an embedded one in a folder."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with start_postgres(folder) as server:
        yield server.url


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """Make a fresh migrated database on a server, and drop it at the end."""
    name = f"perdure_test_{uuid4().hex[:8]}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    base, _, query = server_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    await migrate(url)
    await server.close()
    yield url
    server = await asyncpg.connect(server_url)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@asynccontextmanager
async def temporal_server(folder: Path) -> AsyncIterator[Client]:
    """Give a client of the cluster at `TEMPORAL_ADDRESS`, else of a dev server in a folder."""
    if os.environ.get("TEMPORAL_ADDRESS"):
        yield await connect()
        return
    with hold_port(LOOPBACK, 0) as held:
        server = TemporalServer(
            cli=ensure_temporal_cli(tell), data_dir=folder, port=held.number, ui_port=None
        )
        async with run_temporal(server):
            yield await Client.connect(server.address)


def tell(sentence: str) -> None:
    """Tell the person at the terminal, whatever pytest captures."""
    print(sentence, file=sys.__stderr__, flush=True)


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that runs in this process.

    Args:
        client: Ours.
        http: To look into it, and to make it misbehave: `/v1/totals`, `/control/…`.
    """

    url: str
    client: HttpDomainRegistry
    http: httpx.AsyncClient

    async def renew(
        self, domain: str, *, reference: str = "rnw_1", years: int = 1
    ) -> RegistryRenewal:
        """Renew from the date that the domain has at the moment, if there is one."""
        known = (await self.http.get(f"/control/domains/{domain}")).json()
        expires_on = date.fromisoformat(known.get("expires_on", REGISTRY_DAY.isoformat()))
        return await self.client.renew(
            reference=reference, domain=domain, current_expires_on=expires_on, years=years
        )

    async def change_domain(self, domain: str, **properties: object) -> None:
        """Register or change a domain: `expires_on` (as text), `status`, `premium`."""
        answer = await self.http.put(f"/control/domains/{domain}", json=properties)
        answer.raise_for_status()

    async def log(self, domain: str) -> list[dict[str, Any]]:
        """Return what the registry has in its own books about a domain's renewals."""
        answer = await self.http.get("/control/renewals", params={"domain": domain})
        renewals: list[dict[str, Any]] = answer.json()["data"]
        return renewals

    async def totals(self) -> dict[str, Any]:
        """Return the registry's counts."""
        totals: dict[str, Any] = (await self.http.get("/v1/totals")).json()
        return totals


@asynccontextmanager
async def running_registry(
    data_dir: Path, tld: str = "info", *, timeout_s: float = 5.0, **settings: Any
) -> AsyncIterator[RunningRegistry]:
    """Run a registry on a free port, without limits where none are given.

    Args:
        timeout_s: Our client's.
        settings: Of `RegistrySettings`.
    """
    chosen: dict[str, Any] = {
        "port": 0,
        "limits": RegistryLimits(),
        "day": REGISTRY_DAY,
        "slow_s": 0.2,
        **settings,
    }
    async with open_registry(replace(RegistrySettings.of(tld, data_dir), **chosen)) as port:
        url = f"http://127.0.0.1:{port}"
        async with (
            open_http_client(url, timeout_s=timeout_s) as client,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            yield RunningRegistry(url, HttpDomainRegistry(client, tld), http)
