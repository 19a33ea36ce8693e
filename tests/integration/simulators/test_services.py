"""The simulated asset and wallet service: what goes wrong on demand, and what their books keep."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from perdure.core.errors import (
    CALL_UNDER_WAY,
    HAS_IT_ALREADY,
    ConfigurationError,
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.identity import Identity
from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.simulators.grpc_faults import BY_NAME, Fault
from perdure.testing.provider_contract import error_of, new_reference
from perdure.trades.services.assets_grpc import GrpcAssetService
from perdure.trades.services.simulators.assets import open_assets
from perdure.trades.services.simulators.serving import Ports, ServiceSettings
from perdure.trades.services.simulators.wallets import open_wallets
from perdure.trades.services.wallets import WalletTransfer
from perdure.trades.services.wallets_grpc import GrpcWalletService

SLOW_S = 0.01


@dataclass(frozen=True, slots=True)
class Services:
    """Both, with our clients of them, and whoever controls them."""

    assets: GrpcAssetService
    wallets: GrpcWalletService
    ports: dict[str, Ports]
    http: aiohttp.ClientSession
    books: Path

    async def control(self, method: str, of: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.ports[of].control}{path}"
        async with self.http.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            assert Identity.of(answer.headers) is not None
            return await answer.json()

    async def transfer(self, reference: str, payer: str = "acc_payer") -> WalletTransfer:
        return await self.wallets.transfer(
            reference=reference,
            payer=payer,
            payee="acc_payee",
            amount_minor=500,
            fee_minor=20,
            currency="EUR",
        )


async def opened(stack: AsyncExitStack, folder: Path) -> Services:
    settings = ServiceSettings(folder, slow_s=SLOW_S, opening=10_000)
    ports = {
        "assets": await stack.enter_async_context(open_assets(settings)),
        "wallets": await stack.enter_async_context(open_wallets(settings)),
    }
    host = await stack.enter_async_context(ProviderHost(timeout_s=0.5))
    urls = {name: f"grpc://127.0.0.1:{of.grpc}" for name, of in ports.items()}
    return Services(
        GrpcAssetService.from_settings(GrpcSettings(url=urls["assets"]), host),
        GrpcWalletService.from_settings(GrpcSettings(url=urls["wallets"]), host),
        ports,
        await stack.enter_async_context(aiohttp.ClientSession()),
        folder,
    )


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        yield await opened(stack, tmp_path_factory.mktemp("books"))


MEANS: dict[str, tuple[type[ProviderError] | type[ProviderDeclined], str | None, bool]] = {
    "down": (ProviderOutcomeUnknown, None, False),
    "flaky": (ProviderOutcomeUnknown, None, False),
    "frozen": (ProviderDeclined, "wallet_frozen", False),
    "aborted": (ProviderOutcomeUnknown, CALL_UNDER_WAY, False),
    "busy": (ProviderRateLimited, None, False),
    "exhausted": (ProviderRateLimited, None, False),
    "unreachable": (ProviderOutcomeUnknown, None, False),
    "error": (ProviderOutcomeUnknown, None, True),
    "timeout": (ProviderOutcomeUnknown, None, True),
    "cut": (ProviderOutcomeUnknown, None, True),
    "internal": (ProviderOutcomeUnknown, None, True),
    "cancelled": (ProviderOutcomeUnknown, None, True),
    "exists": (ProviderOutcomeUnknown, HAS_IT_ALREADY, True),
}
"""By name: our error, its code where it is not the class's own, and whether it was done."""


@pytest.mark.parametrize("name", MEANS)
async def test_an_account_s_name_says_what_goes_wrong(services: Services, name: str) -> None:
    kind, code, is_done = MEANS[name]
    reference = new_reference()
    error = await error_of(services.transfer(reference, f"{name}-payer"))
    assert type(error) is kind, repr(error)
    assert error.code == (code or kind.code)
    assert (await services.wallets.find_transfer(reference) is not None) is is_done


LIES = {
    "overstated": ("amount_minor", 50_000),
    "mistaken": ("currency", "JPY"),
    "misowned": ("payer", "misowned-payer-other"),
    "misfiled": ("reference", None),
    "undecided": ("status", "99"),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_told_whenever_it_is_asked_for_and_not_in_the_books(
    services: Services, name: str
) -> None:
    reference, (field, said) = new_reference(), LIES[name]
    told = await services.transfer(reference, f"{name}-payer")
    assert getattr(told, field) == (said or f"{reference}-other")
    assert await services.wallets.find_transfer(reference) == told
    (kept,) = [one async for one in services.wallets.transfers() if one.reference == reference]
    assert (kept.amount_minor, kept.currency, kept.status) == (500, "EUR", "done")


async def test_the_other_names(services: Services) -> None:
    assert set(MEANS) | set(LIES) | {"slow", "twice", "fails"} == set(BY_NAME)
    assert (await services.transfer(new_reference(), "slow-payer")).status == "done"
    assert (await services.transfer(new_reference(), "fails-payer")).status == "failed"
    reference = new_reference()
    await services.transfer(reference, "twice-payer")
    await services.transfer(again := new_reference())
    await services.transfer(again)
    totals = await services.control("GET", "wallets", "/v1/totals")
    assert {reference, again} <= set(totals["duplicates"]["transfers"]["references"])


async def test_a_name_behaves_as_it_is_told_until_it_is_forgotten(services: Services) -> None:
    path = "/control/behaviours/acc_told"
    told = {"fault": Fault.UNAVAILABLE_AFTER, "first": 1, "methods": ["Reverse"]}
    await services.control("PUT", "wallets", path, told)
    reference = new_reference()
    await services.transfer(reference, "acc_told")
    error = await error_of(services.wallets.reverse(reference))
    assert isinstance(error, ProviderOutcomeUnknown)
    assert (await services.wallets.reverse(reference)).status == "reversed"
    await services.control("PUT", "wallets", path, {"fault": Fault.UNAVAILABLE_BEFORE})
    assert isinstance(
        await error_of(services.transfer(new_reference(), "acc_told")), ProviderOutcomeUnknown
    )
    await services.control("DELETE", "wallets", path)
    assert (await services.transfer(new_reference(), "acc_told")).status == "done"


async def test_a_stream_that_breaks_off_is_no_answer_and_a_slow_one_is(
    services: Services,
) -> None:
    everything = "/control/behaviours/*"
    for _ in range(2):
        await services.transfer(new_reference())
    for fault, works in (("cut_after", False), ("unavailable_before", False), ("delay", True)):
        told = {"fault": fault, "methods": ["ListWallets"]}
        await services.control("PUT", "wallets", everything, told)
        try:
            found = [one async for one in services.wallets.wallets()]
            assert works
            assert found
        except ProviderUnavailable:
            assert not works
    await services.control("DELETE", "wallets", everything)


async def test_faults_by_chance_are_seeded_and_hit_what_acts(services: Services) -> None:
    chance = {"rate": 1, "seed": 3, "kinds": ["unavailable_before"]}
    await services.control("PUT", "assets", "/control/faults", chance)
    reference = new_reference()
    error = await error_of(
        services.assets.reserve(reference=reference, owner="o", asset="GEM", quantity_lots=1)
    )
    assert isinstance(error, ProviderOutcomeUnknown)
    assert await services.assets.find_reservation(reference) is None
    await services.control("PUT", "assets", "/control/faults", {"rate": 0})


async def test_what_is_given_is_had(services: Services) -> None:
    await services.control("PUT", "assets", "/control/holdings/rich/GEM", {"quantity_lots": 7})
    await services.control("PUT", "wallets", "/control/wallets/rich/EUR", {"balance_minor": 9})
    (held,) = [one async for one in services.assets.holdings("GEM") if one.owner == "rich"]
    (wallet,) = [one async for one in services.wallets.wallets() if one.account == "rich"]
    assert (held.quantity_lots, wallet.balance_minor) == (7, 9)
    error = await error_of(
        services.assets.reserve(
            reference=new_reference(), owner="rich", asset="GEM", quantity_lots=8
        )
    )
    assert error.code == "insufficient_holding"


async def test_all_that_was_issued_is_somebody_s_and_outlives_the_process(
    services: Services, tmp_path: Path
) -> None:
    order, trade = new_reference(), new_reference()
    await services.assets.reserve(reference=order, owner="seller", asset="GEM", quantity_lots=100)
    await services.assets.block(reference=trade, reservation=order, quantity_lots=60)
    await services.assets.deliver(reference=trade, recipient="buyer")
    await services.assets.reduce(reference=order, to_quantity_lots=60, version=1)
    await services.transfer(trade)
    await services.wallets.reverse(trade)
    for kept in services.books.glob("*.jsonl"):
        shutil.copy(kept, tmp_path)  # as the disk has it now
    async with AsyncExitStack() as stack:
        again = await opened(stack, tmp_path)
        for told in ("holdings", "reservations", "blocks"):
            before = [one async for one in getattr(services.assets, told)()]
            assert [one async for one in getattr(again.assets, told)()] == before
        for told in ("wallets", "transfers"):
            before = [one async for one in getattr(services.wallets, told)()]
            assert [one async for one in getattr(again.wallets, told)()] == before
        holdings = [one async for one in again.assets.holdings()]
        wallets = [one async for one in again.wallets.wallets()]
        issued = (await again.control("GET", "assets", "/v1/totals"))["issued_lots"]
        assert sum(one.quantity_lots for one in holdings if one.asset == "GEM") == issued["GEM"]
        issued = (await again.control("GET", "wallets", "/v1/totals"))["issued_minor"]
        in_euros = [one.balance_minor for one in wallets if one.currency == "EUR"]
        assert sum(in_euros) == issued["EUR"]


async def test_whoever_looks_finds_its_services_and_their_types(services: Services) -> None:
    address = f"127.0.0.1:{services.ports['assets'].grpc}"
    async with aio.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol="perdure.assets.v1.Assets"
            ),
        ]
        listed, described = [one async for one in stub.ServerReflectionInfo(iter(asked))]
    names = {one.name for one in listed.list_services_response.service}
    assert {"perdure.assets.v1.Assets", "grpc.health.v1.Health"} <= names
    assert described.file_descriptor_response.file_descriptor_proto


async def test_a_port_that_is_taken_is_told(services: Services, tmp_path: Path) -> None:
    settings = ServiceSettings(tmp_path, grpc_port=services.ports["assets"].grpc)
    with pytest.raises(ConfigurationError, match="Nothing can listen"):
        async with open_assets(settings):
            pass
