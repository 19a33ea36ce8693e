"""How a registry misbehaves: by the domain's name, and by chance."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.servers import RunningRegistry, running_registry

from perdure.core.errors import (
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.simulators.bank_behaviour import Fault


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    async with running_registry(tmp_path, timeout_s=2.0) as running:
        yield running


async def test_flaky_fails_twice_without_any_effect(registry: RunningRegistry) -> None:
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown) as caught:
            await registry.renew("flaky-shop.info")
        assert not caught.value.in_flight
        assert await registry.client.find_renewal("rnw_1") is None
    assert (await registry.renew("flaky-shop.info")).status == "renewed"


async def test_busy_asks_twice_to_slow_down(registry: RunningRegistry) -> None:
    for _ in range(2):
        with pytest.raises(ProviderRateLimited) as caught:
            await registry.renew("busy-shop.info")
        assert caught.value.retry_after_s == 1
    assert (await registry.renew("busy-shop.info")).status == "renewed"


async def test_down_never_has_an_effect(registry: RunningRegistry) -> None:
    for _ in range(4):
        with pytest.raises(ProviderOutcomeUnknown):
            await registry.renew("down-shop.info")
    assert await registry.log("down-shop.info") == []


@pytest.mark.parametrize(
    ("domain", "in_flight"),
    [("error-shop.info", False), ("cut-shop.info", True), ("timeout-shop.info", True)],
)
async def test_a_lost_answer_leaves_a_renewal_that_the_inquiry_finds(
    registry: RunningRegistry, domain: str, in_flight: bool
) -> None:
    before = await registry.client.domain(domain)
    with pytest.raises(ProviderOutcomeUnknown) as caught:
        await registry.renew(domain)
    assert caught.value.in_flight is in_flight
    found = await registry.client.find_renewal("rnw_1")
    assert found is not None
    assert (found.status, found.domain) == ("renewed", domain)
    with pytest.raises(ProviderDeclined, match="another day"):
        await registry.client.renew(
            reference="rnw_1", domain=domain, current_expires_on=before.expires_on, years=1
        )
    await registry.renew(domain)  # whoever asks for the date instead of the renewal pays twice
    assert len(await registry.log(domain)) == 2


async def test_slow_answers_in_the_end(registry: RunningRegistry) -> None:
    assert (await registry.renew("slow-shop.info")).status == "renewed"


@pytest.mark.parametrize(
    ("kind", "has_effect"),
    [
        (Fault.UNAVAILABLE_BEFORE, False),
        (Fault.RATE_LIMITED, False),
        (Fault.UNAVAILABLE_AFTER, True),
        (Fault.CUT_AFTER, True),
    ],
)
async def test_faults_by_chance_hit_renewals_and_their_undoing(
    registry: RunningRegistry, kind: Fault, has_effect: bool
) -> None:
    await registry.renew("shop.info")
    await registry.http.put("/control/faults", json={"rate": 1, "kinds": [kind]})
    with pytest.raises(ProviderError):
        await registry.renew("other.info", reference="rnw_2")
    with pytest.raises(ProviderError):
        await registry.client.undo_renewal("rnw_1")
    other = await registry.client.find_renewal("rnw_2")
    undone = await registry.client.find_renewal("rnw_1")
    assert (other is not None) is has_effect
    assert undone is not None
    assert (undone.status == "undone") is has_effect
    await registry.http.put("/control/faults", json={"rate": 0})
    await registry.client.undo_renewal("rnw_1")


async def test_an_outage_of_the_whole_registry_is_not_taken_for_an_unknown_domain(
    registry: RunningRegistry,
) -> None:
    await registry.http.put("/control/outage", json={"kind": "unavailable"})
    with pytest.raises(ProviderUnavailable):
        await registry.client.domain("unregistered-shop.info")
