"""What one key can use up, and no more: requests, accounts."""

import asyncio
from dataclasses import replace

from perdure.api.keys import create_key, revoke_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.storage.pool import Pool

from .api_client import created, ok, refused
from .conftest import api_on


def with_settings(platform: Platform, **settings: object) -> Platform:
    return replace(platform, settings=platform.settings.model_copy(update=settings))


async def test_a_customers_key_that_asks_too_often_is_told_when_to_come_again(
    platform: Platform, admin_secret: str, pool: Pool
) -> None:
    key, secret = await create_key(pool, "greedy", [ADMIN], "cus_greedy")
    few = with_settings(platform, api_requests_per_second_max=0.1)
    async with api_on(few, admin_secret) as api:
        greedy = api.as_key(secret)
        ok(await greedy.get("/v1/payments"))
        answers = await asyncio.gather(*(greedy.get("/v1/payments") for _ in range(5)))
        for answer in answers:
            refused(answer, 429, "too_many_requests")
            assert 1 <= int(answer.headers["Retry-After"]) <= 10
        ok(await api.get("/v1/payments"))
        refused(await api.as_key("perdure_wrong").get("/v1/payments"), 401, "invalid_api_key")
        await revoke_key(pool, key.id)


async def test_a_customer_opens_so_many_accounts_and_the_house_any(
    platform: Platform, admin_secret: str, pool: Pool
) -> None:
    async with api_on(with_settings(platform, customer_accounts_max=2), admin_secret) as api:
        wallet = await api.new_wallet()
        _, secret = await create_key(pool, "shop", [ADMIN], wallet.customer_id)
        shop = api.as_key(secret)
        body = {"customer_id": wallet.customer_id, "currency": "USD", "name": "Purse"}
        answers = await asyncio.gather(*(shop.post("/v1/accounts", body) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 402, 402, 402]
        refused(await shop.post("/v1/accounts", body), 402, "too_many_accounts", "customer_id")
        created(await api.post("/v1/accounts", body))
