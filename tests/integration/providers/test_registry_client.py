"""Our client of a registry: what each of its answers, and its silence, is taken for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from pathlib import Path

import pytest

from perdure.core.errors import (
    InvalidInput,
    NotFound,
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.providers.http_client import open_http_client
from perdure.providers.registry import (
    DomainRegistry,
    HttpDomainRegistry,
    RegistryDirectory,
    registry_name,
    tld_of,
)
from perdure.simulators.registry_admission import RegistryLimits
from tests.servers import RunningRegistry, running_registry

DOMAIN = "shop.info"
TIMEOUT_S = 0.4

Call = Callable[[DomainRegistry], Awaitable[object]]


async def ask_for_domain(registry: DomainRegistry) -> object:
    return await registry.domain(DOMAIN)


async def ask_for_renewal(registry: DomainRegistry) -> object:
    return await registry.find_renewal("rnw_1")


async def renew(registry: DomainRegistry) -> object:
    return await registry.renew(
        reference="rnw_1", domain=DOMAIN, current_expires_on=date(2026, 1, 1), years=1
    )


async def undo(registry: DomainRegistry) -> object:
    return await registry.undo_renewal("rnw_1")


READS: list[Call] = [ask_for_domain, ask_for_renewal]
ACTS: list[Call] = [renew, undo]


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    async with running_registry(tmp_path, timeout_s=TIMEOUT_S) as running:
        yield running


async def failure_of(call: Call, registry: DomainRegistry) -> PerdureError:
    with pytest.raises(PerdureError) as caught:
        await call(registry)
    return caught.value


@pytest.mark.parametrize("call", [*READS, *ACTS])
async def test_nobody_listening_is_unavailable(call: Call) -> None:
    async with open_http_client("http://127.0.0.1:9", timeout_s=30) as client:
        error = await failure_of(call, HttpDomainRegistry(client, "info"))
    assert type(error) is ProviderUnavailable
    assert ".info" in error.message


@pytest.mark.parametrize("call", [*READS, *ACTS])
async def test_above_the_rate_everything_is_told_how_long_to_wait(
    tmp_path: Path, call: Call
) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(requests_per_s=0.05)) as registry:
        await registry.client.domain(DOMAIN)
        error = await failure_of(call, registry.client)
    assert isinstance(error, ProviderRateLimited)
    assert error.retry_after_s == 20


@pytest.mark.parametrize("outage", ["unavailable", "cut"])
async def test_an_outage_leaves_open_what_acts_have_done(
    registry: RunningRegistry, outage: str
) -> None:
    await registry.http.put("/control/outage", json={"kind": outage})
    for call in READS:
        assert type(await failure_of(call, registry.client)) is ProviderUnavailable
    for call in ACTS:
        error = await failure_of(call, registry.client)
        assert isinstance(error, ProviderOutcomeUnknown)
        assert error.in_flight is (outage == "cut")
    assert await registry.log(DOMAIN) == []


async def test_a_saturated_registry_is_a_time_out(registry: RunningRegistry) -> None:
    await registry.http.patch("/control/limits", json={"at_once": 1, "latency_s": 20})
    holding = asyncio.create_task(registry.http.get("/v1/domains", params={"name": DOMAIN}))
    try:
        for call in READS:
            assert type(await failure_of(call, registry.client)) is ProviderUnavailable
        for call in ACTS:
            assert type(await failure_of(call, registry.client)) is ProviderOutcomeUnknown
        await registry.http.patch("/control/limits", json={"at_once": 0, "latency_s": 0})
        assert await registry.client.find_renewal("rnw_1") is None
    finally:
        holding.cancel()
        await asyncio.wait([holding])


async def test_an_answer_cut_after_the_effect_is_found_out_by_asking(
    registry: RunningRegistry,
) -> None:
    domain = await registry.client.domain("cut-shop.info")
    with pytest.raises(ProviderOutcomeUnknown):
        await registry.renew("cut-shop.info")
    found = await registry.client.find_renewal("rnw_1")
    assert found is not None
    assert found.status == "renewed"
    assert found.expires_on == domain.expires_on.replace(year=domain.expires_on.year + 1)


async def test_no_is_the_registrys_own_code(registry: RunningRegistry) -> None:
    error = await failure_of(renew, registry.client)
    assert isinstance(error, ProviderDeclined)
    assert error.code == "expiry_mismatch"


async def test_a_domain_that_is_not_registered_is_not_found(registry: RunningRegistry) -> None:
    name = "unregistered-shop.info"
    with pytest.raises(NotFound) as asked:
        await registry.client.domain(name)
    with pytest.raises(NotFound) as renewed:
        await registry.renew(name)
    for caught in (asked, renewed):
        assert (caught.value.code, caught.value.param) == ("domain_not_registered", "domain")
        assert name in caught.value.message


async def test_another_registrys_domain_is_a_wrong_request(registry: RunningRegistry) -> None:
    with pytest.raises(InvalidInput) as caught:
        await registry.client.domain("shop.fr")
    assert caught.value.code == "provider_rejected_request"


async def test_a_directory_finds_the_registry_of_a_domain(registry: RunningRegistry) -> None:
    directory = RegistryDirectory({"info": registry.client})
    assert directory.registry_of(DOMAIN) is registry.client
    with pytest.raises(InvalidInput):
        directory.registry_of("shop.fr")
    assert registry_name("fr") == "registry-fr"


@pytest.mark.parametrize("domain", ["shop.org", "info", ".info", "shop.INFO", "", "shop.info."])
def test_a_domain_of_no_registry_is_refused_with_the_tlds_there_are(domain: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tld_of(domain, ["info", "fr"])
    assert (caught.value.code, caught.value.param) == ("unknown_tld", "domain")
    assert "fr, info" in caught.value.message
