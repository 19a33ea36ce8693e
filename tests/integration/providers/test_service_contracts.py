"""The classes that call the trades' services, by their contracts, against their simulators."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.testing.asset_contracts import AssetServiceContract, WalletServiceContract
from perdure.testing.grpc_contract import GrpcContract
from perdure.trades.services.assets import AssetService
from perdure.trades.services.assets_grpc import GrpcAssetService
from perdure.trades.services.simulators.assets import open_assets
from perdure.trades.services.simulators.serving import ServiceSettings
from perdure.trades.services.simulators.wallets import open_wallets
from perdure.trades.services.wallets import WalletService
from perdure.trades.services.wallets_grpc import (
    BlockingSettings,
    BlockingWalletService,
    GrpcWalletService,
)


class TestGrpcAssetService(AssetServiceContract, GrpcContract[AssetService]):
    frozen = "FROZEN-GEM"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path: Path = tmp_path_factory.mktemp("books")
        async with open_assets(ServiceSettings(tmp_path, idempotent=True)) as ports:
            yield f"grpc://127.0.0.1:{ports.grpc}"

    def make(self, url: str, host: ProviderHost) -> GrpcAssetService:
        return GrpcAssetService.from_settings(GrpcSettings(url=url), host)


class TestGrpcWalletService(WalletServiceContract, GrpcContract[WalletService]):
    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path: Path = tmp_path_factory.mktemp("books")
        async with open_wallets(ServiceSettings(tmp_path, idempotent=True)) as ports:
            yield f"grpc://127.0.0.1:{ports.grpc}"

    def make(self, url: str, host: ProviderHost) -> WalletService:
        return GrpcWalletService.from_settings(GrpcSettings(url=url), host)


class TestBlockingWalletService(TestGrpcWalletService):
    def make(self, url: str, host: ProviderHost) -> WalletService:
        return BlockingWalletService.from_settings(BlockingSettings(url=url), host)
