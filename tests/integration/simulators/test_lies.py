"""Answers that are not what was asked: of the gateway, the bank and a registry, on demand."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.servers import running_registry

from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings

LIES = {
    "other_amount": "amount_minor",
    "other_currency": "currency",
    "other_reference": "reference",
    "unknown_status": "status",
}


@dataclass
class Provider:
    """A simulator, and what it is asked.

    Args:
        path: Of what is made.
        token: The field of a request that says how it is treated.
        tokens: What does a thing otherwise, by the lie; and `in_use`.
    """

    http: httpx.AsyncClient
    path: str
    token: str
    tokens: dict[str, str]
    body: dict[str, Any]

    async def make(self, reference: str, how: str | None = None) -> httpx.Response:
        body = self.body | ({self.token: self.tokens[how]} if how else {})
        if "current_expires_on" in body:
            domain = (await self.http.get(f"/control/domains/{body['domain']}")).json()
            body["current_expires_on"] = domain["expires_on"]
        return await self.http.post(self.path, json=body | {"reference": reference})

    async def has(self, reference: str) -> list[dict[str, Any]]:
        answer = await self.http.get(self.path, params={"reference": reference})
        found: list[dict[str, Any]] = answer.json()["data"]
        return found


@pytest.fixture(params=["gateway", "bank", "registry"])
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Provider]:
    names = ["in_use", *LIES]
    money = {"amount_minor": 1250, "currency": "USD"}
    async with AsyncExitStack() as stack:
        if request.param == "registry":
            registry = await stack.enter_async_context(running_registry(tmp_path))
            words = ["inuse", "overbilled", "misbilled", "misfiled", "undecided"]
            domains = {name: f"{word}-shop.info" for name, word in zip(names, words, strict=True)}
            asked = {"domain": "shop.info", "years": 1, "current_expires_on": ""}
            yield Provider(registry.http, "/v1/renewals", "domain", domains, asked)
            return
        if request.param == "bank":
            port = await stack.enter_async_context(open_bank(BankSettings(tmp_path, port=0)))
            path, field, prefix = "/v1/payouts", "destination", "dest"
        else:
            settings = GatewaySettings(tmp_path, "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==", port=0)
            port = await stack.enter_async_context(open_gateway(settings))
            path, field, prefix = "/v1/charges", "payment_method", "tok"
        url = f"http://127.0.0.1:{port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        tokens = {name: f"{prefix}_{name}" for name in names}
        yield Provider(http, path, field, tokens, money | {field: f"{prefix}_ok"})


def field_of(lie: str, said: dict[str, Any]) -> str:
    return "price_minor" if lie == "other_amount" and "price_minor" in said else LIES[lie]


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_by_chance_is_in_one_answer_only(provider: Provider, lie: str) -> None:
    faults = {"rate": 1, "kinds": [lie]}
    (await provider.http.put("/control/faults", json=faults)).raise_for_status()
    said = (await provider.make("ref_1")).json()
    (known,) = await provider.has("ref_1")
    name = field_of(lie, said)
    assert said[name] != known[name]
    # A charge is confirmed meanwhile.
    same = {name: known[name], "status": known["status"]}
    assert said | same == known


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_has_it_done_otherwise(provider: Provider, lie: str) -> None:
    usual = (await provider.make("ref_1")).json()
    said = (await provider.make("ref_2", lie)).json()
    name = field_of(lie, said)
    right = "ref_2" if lie == "other_reference" else usual[name]
    assert said[name] != right
    known = await provider.has("ref_2")
    assert [one[name] for one in known] == ([] if lie == "other_reference" else [said[name]])


async def test_a_key_in_use_is_answered_409_though_it_is_done(provider: Provider) -> None:
    answer = await provider.make("ref_1", "in_use")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_in_use"
    assert len(await provider.has("ref_1")) == 1
