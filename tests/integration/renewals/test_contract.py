"""Renewals, by the contract of every kind: each claims a domain, whose registry sets the price."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import httpx

from perdure.core.clock import utc_now
from perdure.renewals import domains
from perdure.renewals.domains import NewDomain
from perdure.simulators.registry import RegistrySettings, open_registry
from perdure.storage.pool import transaction
from perdure.testing.kind_contract import KindContract
from perdure.testing.scene import Scene

from .renewals import PRICE_MINOR, new_name


class TestRenewals(KindContract):
    plural = "renewals"
    asks: ClassVar = {"token": ""}
    asks_refused: ClassVar = {"token": "locked"}
    refused_code = "domain_locked"
    corrects: ClassVar = {"price_minor_max": 90_000}
    costs_minor = PRICE_MINOR["info"]
    not_taken_in: ClassVar = {"domain": "nobodys.info"}
    looks_at = "/v1/domains"
    tld = "info"

    @asynccontextmanager
    async def open_provider(self, folder: Path) -> AsyncIterator[str]:
        settings = replace(RegistrySettings.of(self.tld, folder), port=0, day=utc_now().date())
        async with open_registry(settings) as port:
            yield f"http://127.0.0.1:{port}"

    def environment(self, url: str) -> dict[str, str]:
        return {
            "PERDURE_REGISTRY_URLS": json.dumps({self.tld: url}),
            "PERDURE_REGISTRY_TIMEOUT_S": "1",
        }

    async def asked(
        self, scene: Scene, asks: Mapping[str, Any], account: Mapping[str, str]
    ) -> dict[str, Any]:
        name = new_name(asks["token"])
        async with httpx.AsyncClient(base_url=scene.server, trust_env=False) as client:
            known = (await client.get(f"/control/domains/{name}")).json()
        expires_on = date.fromisoformat(known["expires_on"])
        async with transaction(scene.house.platform.pool) as connection:
            new = NewDomain(name, account["customer_id"], expires_on)
            await domains.import_many(connection, [new])
        payer = {key: account[key] for key in ("customer_id", "account_id")}
        return {**payer, "domain": name, "years": 1}

    async def standing(self, url: str, operation_id: str) -> int:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            page = (await client.get("/v1/renewals", params={"reference": operation_id})).json()
        return sum(renewal["status"] == "renewed" for renewal in page["data"])
