"""What a registry does with those whom it does not let in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from tests.polls import eventually
from tests.servers import RunningRegistry, running_registry

from perdure.providers.http_client import open_http_client
from perdure.providers.registry import HttpDomainRegistry
from perdure.simulators.registry import RegistriesSettings, RegistrySettings, open_registries
from perdure.simulators.registry_admission import RegistryLimits

DOMAIN = "shop.info"
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
try:
    import uvloop

    LOOPS.append(uvloop.new_event_loop)
except ImportError:  # there is none for Windows
    pass


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    async with running_registry(tmp_path) as running:
        yield running


async def ask(registry: RunningRegistry, *, timeout_s: float = 5.0) -> httpx.Response:
    return await registry.http.get("/v1/domains", params={"name": DOMAIN}, timeout=timeout_s)


async def turned_away(registry: RunningRegistry) -> dict[str, int]:
    shown: dict[str, int] = (await registry.http.get("/control/limits")).json()["turned_away"]
    return shown


async def test_above_the_rate_a_429_says_when_to_come_again(tmp_path: Path) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(requests_per_s=0.1)) as registry:
        assert (await ask(registry)).status_code == 200
        refused = await ask(registry)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert await turned_away(registry) == {"rate_limited": 1}


async def test_one_seconds_requests_may_come_at_once(tmp_path: Path) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(requests_per_s=5)) as registry:
        answers = await asyncio.gather(*(ask(registry) for _ in range(50)))
        codes = [answer.status_code for answer in answers]
        assert 5 <= codes.count(200) < 50
        assert codes.count(429) == 50 - codes.count(200)


async def test_a_renewal_above_the_rate_is_not_made(registry: RunningRegistry) -> None:
    await registry.http.patch("/control/limits", json={"requests_per_s": 0.01})
    body = {
        "reference": "rnw_1",
        "domain": DOMAIN,
        "current_expires_on": (await ask(registry)).json()["data"][0]["expires_on"],
        "years": 1,
    }
    assert (await registry.http.post("/v1/renewals", json=body)).status_code == 429
    assert await registry.log(DOMAIN) == []
    await registry.http.patch("/control/limits", json={"requests_per_s": 0})
    assert (await registry.http.post("/v1/renewals", json=body)).status_code == 201


async def test_a_saturated_registry_lets_a_request_hang_and_serves_again_afterwards(
    tmp_path: Path,
) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(at_once=1)) as registry:
        holding = asyncio.create_task(registry.renew("timeout-shop.info"))

        async def is_held() -> bool:
            return bool(await registry.log("timeout-shop.info"))

        await eventually(is_held)
        with pytest.raises(httpx.ReadTimeout):
            await ask(registry, timeout_s=0.3)
        assert await turned_away(registry) == {"left_hanging": 1}
        holding.cancel()
        await asyncio.wait([holding])

        async def serves_again() -> bool:
            try:
                return (await ask(registry, timeout_s=0.3)).is_success
            except httpx.ReadTimeout:
                return False

        await eventually(serves_again)


async def test_limits_change_while_the_registry_runs_and_what_is_not_named_stays(
    tmp_path: Path,
) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(50, 20)) as registry:
        answer = await registry.http.patch("/control/limits", json={"latency_s": 0.01})
        shown = {"requests_per_s": 50, "at_once": 20, "latency_s": 0.01, "turned_away": {}}
        assert answer.json() == shown
        assert (await registry.http.get("/control/limits")).json() == shown
        assert (await ask(registry)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"requests_per_s": -1}, {"at_once": 1.5}, {"latency_s": None}, {"per_second": 3}],
)
async def test_limits_that_make_no_sense_are_refused(
    registry: RunningRegistry, change: dict[str, object]
) -> None:
    answer = await registry.http.patch("/control/limits", json=change)
    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["error"]["message"]


async def test_answers_can_be_made_slow(tmp_path: Path) -> None:
    async with running_registry(tmp_path, limits=RegistryLimits(latency_s=60)) as registry:
        with pytest.raises(httpx.ReadTimeout):
            await ask(registry, timeout_s=0.2)
        await registry.http.patch("/control/limits", json={"latency_s": 0.01})
        assert (await ask(registry)).status_code == 200


async def test_during_an_outage_nothing_is_done_until_it_ends(registry: RunningRegistry) -> None:
    expires_on = (await ask(registry)).json()["data"][0]["expires_on"]
    body = {
        "reference": "rnw_1",
        "domain": DOMAIN,
        "current_expires_on": expires_on,
        "years": 1,
    }
    await registry.http.put("/control/outage", json={"kind": "unavailable"})
    assert (await registry.http.get("/control/outage")).json() == {"kind": "unavailable"}
    assert (await registry.http.post("/v1/renewals", json=body)).status_code == 503
    await registry.http.put("/control/outage", json={"kind": "cut"})
    with pytest.raises(httpx.TransportError):
        await registry.http.post("/v1/renewals", json=body)
    assert await registry.log(DOMAIN) == []
    assert await turned_away(registry) == {"outage": 2}
    await registry.http.put("/control/outage", json={"kind": None})
    assert (await registry.http.post("/v1/renewals", json=body)).status_code == 201


async def test_an_outage_can_end_by_itself(registry: RunningRegistry) -> None:
    await registry.http.put("/control/outage", json={"kind": "unavailable", "for_s": 0.05})

    async def is_over() -> bool:
        return (await ask(registry)).is_success

    await eventually(is_over)
    assert (await registry.http.get("/control/outage")).json() == {"kind": None}


async def test_refused_connections_need_an_end(registry: RunningRegistry) -> None:
    answer = await registry.http.put("/control/outage", json={"kind": "refuse"})
    assert answer.status_code == 400
    assert "for_s" in answer.json()["error"]["message"]
    assert (await ask(registry)).status_code == 200


@pytest.mark.parametrize("loop", LOOPS)
def test_a_registry_that_refuses_connections_comes_back_on_its_port(
    tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def go_away_twice() -> None:
        async with running_registry(tmp_path) as registry:
            renewed = await registry.renew(DOMAIN)

            async def is_refused() -> bool:
                try:
                    await ask(registry)
                except httpx.ConnectError:
                    return True
                except httpx.TransportError:
                    pass
                return False

            async def is_back() -> bool:
                return not await is_refused()

            for _ in range(2):
                outage = {"kind": "refuse", "for_s": 1.0}
                answer = await registry.http.put("/control/outage", json=outage)
                assert answer.json() == outage
                await eventually(is_refused)
                await eventually(is_back)
            assert await registry.client.find_renewal("rnw_1") == renewed

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(go_away_twice())


async def test_a_registry_can_end_while_it_refuses_connections(tmp_path: Path) -> None:
    async with running_registry(tmp_path) as registry:
        await registry.http.put("/control/outage", json={"kind": "refuse", "for_s": 600})


async def test_several_registries_run_in_one_process_each_with_limits_of_its_own(
    tmp_path: Path,
) -> None:
    chosen = tuple(
        RegistrySettings(tmp_path, tld, 0, 1000, refundable, RegistryLimits(per_s, 5))
        for tld, refundable, per_s in (("info", True, 0.01), ("fr", False, 0.0))
    )
    async with open_registries(RegistriesSettings(chosen)) as ports:
        assert list(ports) == ["info", "fr"]
        async with httpx.AsyncClient(trust_env=False) as http:
            codes = [
                (await http.get(f"http://127.0.0.1:{ports[tld]}/v1/domains?name=shop.{tld}"))
                for tld in ("info", "info", "fr", "fr")
            ]
        assert [answer.status_code for answer in codes] == [200, 429, 200, 200]
        async with open_http_client(f"http://127.0.0.1:{ports['fr']}", timeout_s=30) as client:
            assert (await HttpDomainRegistry(client, "fr").domain("shop.fr")).price_minor == 1000
