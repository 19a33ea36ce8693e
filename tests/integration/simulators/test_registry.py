"""What a registry does with domains, renewals and those who take them back."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.servers import REGISTRY_DAY, RunningRegistry, running_registry

from perdure.core.errors import (
    ConfigurationError,
    NotFound,
    ProviderDeclined,
)
from perdure.simulators.registry import RegistrySettings

DOMAIN = "shop.info"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    async with running_registry(tmp_path, timeout_s=2.0) as running:
        yield running


async def refusal_of(registry: RunningRegistry, domain: str = DOMAIN, *, years: int = 1) -> str:
    """Return the code with which the registry refuses a renewal."""
    with pytest.raises(ProviderDeclined) as caught:
        await registry.renew(domain, years=years)
    assert await registry.client.find_renewal("rnw_1") is None
    return caught.value.code


# Domains.


async def test_domains_exist_by_their_names_alone_and_expire_within_90_days(
    tmp_path: Path, registry: RunningRegistry
) -> None:
    names = [f"shop-{number}.info" for number in range(200)]
    domains = [await registry.client.domain(name) for name in names]
    assert {domain.status for domain in domains} == {"active"}
    assert {(domain.price_minor, domain.currency) for domain in domains} == {(1499, "USD")}
    dates = [domain.expires_on for domain in domains]
    assert min(dates) > REGISTRY_DAY
    assert max(dates) <= REGISTRY_DAY + timedelta(days=90)
    assert len(set(dates)) > 60
    async with (
        running_registry(tmp_path / "same") as same,
        running_registry(tmp_path / "other", seed=1) as other,
    ):
        assert [await same.client.domain(name) for name in names] == domains
        assert [await other.client.domain(name) for name in names] != domains


@pytest.mark.parametrize(("tld", "price_minor"), [("info", 1499), ("fr", 899), ("com", 1199)])
async def test_each_tld_has_its_price_and_a_premium_domain_costs_ten_times_it(
    tmp_path: Path, tld: str, price_minor: int
) -> None:
    async with running_registry(tmp_path, tld) as registry:
        usual = await registry.client.domain(f"shop.{tld}")
        assert (usual.premium, usual.price_minor) == (False, price_minor)
        premium = await registry.client.domain(f"premium-shop.{tld}")
        assert (premium.premium, premium.price_minor) == (True, price_minor * 10)
        renewal = await registry.renew(f"premium-shop.{tld}", years=3)
        assert (renewal.price_minor, renewal.currency) == (price_minor * 30, "USD")


def test_there_are_no_other_registries(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="info, fr, com"):
        RegistrySettings.of("org", tmp_path)


async def test_a_name_can_make_a_domain_expired_locked_or_unregistered(
    registry: RunningRegistry,
) -> None:
    expired = await registry.client.domain("expired-shop.info")
    assert expired.status == "expired"
    assert expired.expires_on < REGISTRY_DAY
    assert (await registry.client.domain("locked-shop.info")).status == "locked"
    with pytest.raises(NotFound):
        await registry.client.domain("unregistered-shop.info")
    assert (await registry.http.get("/control/domains/unregistered-shop.info")).status_code == 404


async def test_a_domain_can_be_registered_and_changed(registry: RunningRegistry) -> None:
    name = "unregistered-shop.info"
    await registry.change_domain(name, expires_on="2026-05-31", premium=True)
    domain = await registry.client.domain(name)
    assert (domain.status, domain.expires_on, domain.price_minor) == (
        "active",
        date(2026, 5, 31),
        14990,
    )
    assert (await registry.renew(name)).expires_on == date(2027, 5, 31)
    await registry.change_domain(name, expires_on="2026-06-30", status="locked")
    domain = await registry.client.domain(name)
    assert (domain.status, domain.expires_on, domain.premium) == (
        "locked",
        date(2026, 6, 30),
        False,
    )


@pytest.mark.parametrize("name", ["shop.fr", "shop", "SHOP.info", "a.shop.info", "-.info", ".info"])
async def test_a_name_that_is_no_domain_of_the_registry_is_rejected(
    registry: RunningRegistry, name: str
) -> None:
    body = {
        "reference": "rnw_1",
        "domain": name,
        "current_expires_on": "2026-01-01",
        "years": 1,
    }
    answers = [
        await registry.http.get("/v1/domains", params={"name": name}),
        await registry.http.post("/v1/renewals", json=body),
        await registry.http.put(f"/control/domains/{name}", json={"expires_on": "2026-05-31"}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert (await registry.totals())["renewals"]["count"] == 0


# Renewals.


async def test_a_renewal_adds_years_and_stands_in_the_registrys_log(
    registry: RunningRegistry,
) -> None:
    before = await registry.client.domain(DOMAIN)
    renewal = await registry.renew(DOMAIN, years=2)
    after = await registry.client.domain(DOMAIN)
    assert after.expires_on == before.expires_on.replace(year=before.expires_on.year + 2)
    assert (renewal.reference, renewal.domain, renewal.years) == ("rnw_1", DOMAIN, 2)
    assert (renewal.expires_on, renewal.status) == (after.expires_on, "renewed")
    assert renewal.price_minor == 2 * 1499
    assert [entry["id"] for entry in await registry.log(DOMAIN)] == [renewal.id]
    totals = await registry.totals()
    assert totals["renewals"] == {
        "count": 1,
        "renewed": 1,
        "undone": 0,
        "billed_minor": {"USD": 2998},
    }


async def test_the_date_is_what_keeps_a_second_call_from_renewing_again(
    registry: RunningRegistry,
) -> None:
    before = await registry.client.domain(DOMAIN)
    first = await registry.renew(DOMAIN)
    with pytest.raises(ProviderDeclined) as caught:
        await registry.client.renew(
            reference="rnw_1", domain=DOMAIN, current_expires_on=before.expires_on, years=1
        )
    assert caught.value.code == "expiry_mismatch"
    assert (await registry.client.domain(DOMAIN)).expires_on == first.expires_on
    assert (await registry.totals())["refusals"] == {"expiry_mismatch": 1}


async def test_with_the_current_date_the_same_reference_renews_again_and_the_audit_shows_it(
    registry: RunningRegistry,
) -> None:
    before = await registry.client.domain(DOMAIN)
    first, second = await registry.renew(DOMAIN), await registry.renew(DOMAIN)
    assert first.id != second.id
    after = await registry.client.domain(DOMAIN)
    assert after.expires_on.year == before.expires_on.year + 2
    assert await registry.client.find_renewal("rnw_1") == first
    totals = await registry.totals()
    assert totals["duplicates"] == {"count": 1, "references": ["rnw_1"]}
    assert totals["renewed_more_than_once"] == {"count": 1, "domains": [DOMAIN]}
    counted = (await registry.http.get(f"/control/domains/{DOMAIN}")).json()
    assert counted["times_renewed"] == 2


@pytest.mark.parametrize(
    ("domain", "code"),
    [("locked-shop.info", "domain_locked"), ("expired-shop.info", "domain_expired")],
)
async def test_a_domain_that_is_not_active_is_not_renewed(
    registry: RunningRegistry, domain: str, code: str
) -> None:
    assert await refusal_of(registry, domain) == code


async def test_nothing_is_paid_for_more_than_ten_years_ahead(registry: RunningRegistry) -> None:
    assert await refusal_of(registry, years=10) == "years_over_maximum"
    assert (await registry.renew(DOMAIN, years=9)).years == 9


async def test_a_domain_that_is_not_registered_is_not_renewed(registry: RunningRegistry) -> None:
    with pytest.raises(NotFound):
        await registry.renew("unregistered-shop.info")
    assert (await registry.totals())["refusals"] == {"domain_not_registered": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"reference": ""},
        {"domain": None},
        {"current_expires_on": "1 January"},
        {"years": 0},
        {"years": 100},
        {"years": "1"},
    ],
)
async def test_a_renewal_that_makes_no_sense_is_rejected(
    registry: RunningRegistry, change: dict[str, object]
) -> None:
    body = {
        "reference": "rnw_1",
        "domain": DOMAIN,
        "current_expires_on": "2026-01-01",
        "years": 1,
    }
    response = await registry.http.post("/v1/renewals", json=body | change)
    assert response.status_code == 400
    assert next(iter(change)) in response.json()["error"]["message"]
    assert (await registry.http.post("/v1/renewals/undo", json={})).status_code == 400
    assert (await registry.http.get("/v1/renewals")).status_code == 400
    assert (await registry.totals())["renewals"]["count"] == 0


# Taking renewals back.


async def test_a_renewal_is_undone_once_however_often_that_is_asked_for(
    registry: RunningRegistry,
) -> None:
    before = await registry.client.domain(DOMAIN)
    renewed = await registry.renew(DOMAIN)
    first, second = [await registry.client.undo_renewal("rnw_1") for _ in range(2)]
    assert first == second
    assert (first.id, first.status, first.expires_on) == (renewed.id, "undone", before.expires_on)
    assert await registry.client.find_renewal("rnw_1") == first
    assert await registry.client.domain(DOMAIN) == before
    totals = await registry.totals()
    assert totals["renewals"] == {
        "count": 1,
        "renewed": 0,
        "undone": 1,
        "billed_minor": {"USD": 0},
    }
    assert totals["renewed_more_than_once"]["count"] == 0


async def test_a_renewal_undone_after_another_takes_only_its_own_years_back(
    registry: RunningRegistry,
) -> None:
    before = await registry.client.domain(DOMAIN)
    await registry.renew(DOMAIN, reference="rnw_1", years=2)
    await registry.renew(DOMAIN, reference="rnw_2", years=3)
    undone = await registry.client.undo_renewal("rnw_1")
    after = await registry.client.domain(DOMAIN)
    assert after.expires_on.year == before.expires_on.year + 3
    assert undone.expires_on == after.expires_on


async def test_29_february_comes_back_when_its_renewal_is_undone(registry: RunningRegistry) -> None:
    await registry.change_domain(DOMAIN, expires_on="2028-02-29")
    assert (await registry.renew(DOMAIN)).expires_on == date(2029, 2, 28)
    assert (await registry.client.undo_renewal("rnw_1")).expires_on == date(2028, 2, 29)


async def test_after_the_grace_period_a_renewal_stands(tmp_path: Path) -> None:
    async with running_registry(tmp_path, grace_s=0.0) as registry:
        renewed = await registry.renew(DOMAIN)
        with pytest.raises(ProviderDeclined) as caught:
            await registry.client.undo_renewal("rnw_1")
        assert caught.value.code == "grace_period_over"
        assert await registry.client.find_renewal("rnw_1") == renewed


async def test_the_registry_of_fr_takes_nothing_back(tmp_path: Path) -> None:
    async with running_registry(tmp_path, "fr") as registry:
        renewed = await registry.renew("shop.fr")
        with pytest.raises(ProviderDeclined) as caught:
            await registry.client.undo_renewal("rnw_1")
        assert caught.value.code == "not_refundable"
        assert (await registry.client.domain("shop.fr")).expires_on == renewed.expires_on


async def test_what_was_never_renewed_cannot_be_undone(registry: RunningRegistry) -> None:
    with pytest.raises(ProviderDeclined) as caught:
        await registry.client.undo_renewal("rnw_1")
    assert caught.value.code == "unknown_renewal"


# The books.


async def test_the_log_goes_on_in_pages(registry: RunningRegistry) -> None:
    ids = [
        (await registry.renew(f"shop-{number}.info", reference=f"rnw_{number}")).id
        for number in range(5)
    ]
    first = (await registry.http.get("/control/renewals?limit=3")).json()
    assert ([entry["id"] for entry in first["data"]], first["has_more"]) == (ids[:3], True)
    params = {"starting_after": ids[2]}
    second = (await registry.http.get("/control/renewals", params=params)).json()
    assert ([entry["id"] for entry in second["data"]], second["has_more"]) == (ids[3:], False)


async def test_nobody_can_use_the_books_of_a_registry_that_runs(
    tmp_path: Path, registry: RunningRegistry
) -> None:
    await registry.renew(DOMAIN)
    with pytest.raises(ConfigurationError, match="running"):
        async with running_registry(tmp_path):
            pass


async def test_a_registrys_day_stays_that_of_its_first_start(tmp_path: Path) -> None:
    async with running_registry(tmp_path) as registry:
        untouched = await registry.client.domain("untouched.info")
        renewed = await registry.renew(DOMAIN)
        undone = await registry.renew("undone.info", reference="rnw_2")
        await registry.client.undo_renewal("rnw_2")
        await registry.change_domain("changed.info", expires_on="2026-05-31", status="locked")
        totals = await registry.totals()
        views = [
            await registry.client.domain(name)
            for name in (DOMAIN, "undone.info", "changed.info", "untouched.info")
        ]
    later = REGISTRY_DAY + timedelta(days=1)
    async with running_registry(tmp_path, day=later, seed=9) as registry:
        assert await registry.client.domain("untouched.info") == untouched
        assert await registry.client.find_renewal("rnw_1") == renewed
        found = await registry.client.find_renewal("rnw_2")
        assert found is not None
        assert (found.id, found.status) == (undone.id, "undone")
        assert await registry.totals() == totals
        assert [await registry.client.domain(view.name) for view in views] == views
