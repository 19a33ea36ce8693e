"""What only a renewal meets, by the registry's own faults; see `test_contract` for the rest."""

from datetime import timedelta

import pytest

from perdure.core.clock import utc_now
from tests.integration.payments.town import Town
from tests.integration.payments.written import all_written

from .renewals import (
    PRICE_MINOR,
    actions,
    domain,
    ended,
    own_domain,
    registry_of,
    renew,
    request_for,
    standings,
    write_domain,
)

GEARS = [False, True]
SUCCEED = ["", "flaky", "busy"]
FAIL = {
    "premium": "premium_not_confirmed",
    "expired": "domain_expired",
    "unregistered": "domain_not_registered",
}


@pytest.mark.parametrize("bulk", GEARS)
@pytest.mark.parametrize("token", SUCCEED)
async def test_a_domain_is_renewed_and_paid_for_once_r1(town: Town, token: str, bulk: bool) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account, token)
    before = await domain(town, name)
    found = await renew(town, request_for(account, name), bulk=bulk)
    operation = await town.end_of(found)
    assert ended(operation) == ("succeeded", None)
    (report,) = await registry_of(town, name).log(name)
    assert (report["reference"], report["status"]) == (found, "renewed")
    after = await domain(town, name)
    assert (after.expires_on.isoformat(), after.renewing) == (report["expires_on"], None)
    assert after.expires_on.year == before.expires_on.year + 1
    assert operation.result == {
        "expires_on": report["expires_on"],
        "price_minor": PRICE_MINOR["info"],
        "currency": "USD",
        "registry_renewal_id": report["id"],
    }
    balance = await town.balance(account)
    assert balance.posted_minor == 5_000 - PRICE_MINOR["info"]
    assert balance.debits_pending_minor == 0


@pytest.mark.parametrize("token", FAIL)
async def test_a_refusal_gives_everything_back_r1(town: Town, token: str) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account, token)
    before = await domain(town, name)
    found = await renew(town, request_for(account, name), bulk=True)
    assert ended(await town.end_of(found)) == ("failed", FAIL[token])
    assert await standings(town, name) == []
    after = await domain(town, name)
    assert (after.expires_on, after.renewing) == (before.expires_on, None)
    assert (await town.balance(account)).available_minor == 5_000
    assert "promoted" in await actions(town, found)


@pytest.mark.parametrize("bulk", GEARS)
async def test_a_premium_domain_is_renewed_at_a_price_that_is_accepted_r1(
    town: Town, bulk: bool
) -> None:
    account = await town.account(funds_minor=40_000)
    name = await own_domain(town, account, "premium")
    price_minor = 2 * 10 * PRICE_MINOR["info"]
    dear = request_for(account, name, years=2, price_minor_max=price_minor - 1)
    assert ended(await town.end_of(await renew(town, dear, bulk=bulk))) == (
        "failed",
        "price_over_maximum",
    )
    accepted = request_for(account, name, years=2, price_minor_max=price_minor)
    operation = await town.end_of(await renew(town, accepted, bulk=bulk))
    assert ended(operation) == ("succeeded", None)
    assert (await town.balance(account)).available_minor == 40_000 - price_minor


@pytest.mark.parametrize("bulk", GEARS)
async def test_a_renewal_the_registry_declines_fails_r1(town: Town, bulk: bool) -> None:
    account = await town.account(funds_minor=50_000)
    name = await own_domain(town, account)
    found = await renew(town, request_for(account, name, years=10), bulk=bulk)
    assert ended(await town.end_of(found)) == ("failed", "years_over_maximum")
    assert (await town.balance(account)).available_minor == 50_000
    assert (await domain(town, name)).renewing is None


@pytest.mark.parametrize("bulk", GEARS)
async def test_a_date_that_differs_from_the_registrys_is_not_renewed_r1(
    town: Town, bulk: bool
) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account)
    other = utc_now().date() + timedelta(days=200)
    await write_domain(town, name, account["customer_id"], other)
    found = await renew(town, request_for(account, name), bulk=bulk)
    assert ended(await town.end_of(found)) == ("failed", "expiry_mismatch")
    assert await standings(town, name) == []


@pytest.mark.parametrize("bulk", GEARS)
async def test_too_little_money_renews_nothing_r1(town: Town, bulk: bool) -> None:
    account = await town.account(funds_minor=PRICE_MINOR["info"] - 1)
    name = await own_domain(town, account)
    found = await renew(town, request_for(account, name), bulk=bulk)
    assert ended(await town.end_of(found)) == ("failed", "insufficient_funds")
    assert await standings(town, name) == []


async def test_an_account_in_another_currency_renews_nothing_r1(town: Town) -> None:
    account = await town.account(funds_minor=5_000, currency="EUR")
    name = await own_domain(town, account)
    found = await renew(town, request_for(account, name))
    assert ended(await town.end_of(found)) == ("failed", "currency_mismatch")
    assert await standings(town, name) == []


async def test_both_gears_write_the_same(town: Town) -> None:
    rows = []
    expires_on = utc_now().date() + timedelta(days=30)
    for bulk in GEARS:
        account = await town.account()
        name = await own_domain(town, account)
        await registry_of(town, name).change_domain(name, expires_on=expires_on.isoformat())
        await write_domain(town, name, account["customer_id"], expires_on)
        found = await renew(town, request_for(account, name), bulk=bulk)
        await town.end_of(found)
        row = await all_written(town.platform.pool, found, steps=5)
        rows.append({what: [one.replace(name, "") for one in row[what]] for what in row})
    assert rows[0]["messages"], "nothing was compared"
    assert rows[1] == rows[0]
