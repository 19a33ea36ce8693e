"""The registries that tests run on, and the servers that everybody's tests do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import httpx

from perdure.providers.http_client import open_http_client
from perdure.providers.registry import HttpDomainRegistry, RegistryRenewal
from perdure.simulators.registry import RegistrySettings, open_registry
from perdure.simulators.registry_admission import RegistryLimits
from perdure.testing.servers import (
    drop_database,
    migrated_database,
    postgres_server,
    tell,
    temporal_server,
)

__all__ = [
    "REGISTRY_DAY",
    "RunningRegistry",
    "drop_database",
    "migrated_database",
    "postgres_server",
    "running_registry",
    "tell",
    "temporal_server",
]

REGISTRY_DAY: Final = date(2026, 1, 1)
"""The day of a registry under test: most domains expire within the 90 days after it."""


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
