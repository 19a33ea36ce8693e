"""Trades, by the contract of every kind: both services at one address, so that both fail alike."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from grpc import aio

from perdure.operations.model import Operation
from perdure.operations.steps import from_json
from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.simulators.grpc_server import serve_grpc
from perdure.simulators.journal import Journal
from perdure.testing.grpc_wire import open_grpc_wire
from perdure.testing.kind_contract import KindContract
from perdure.testing.scene import Scene
from perdure.testing.wire import AnyWire
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import TradeRequest
from perdure.trades.services.assets_grpc import GrpcAssetService
from perdure.trades.services.proto.assets_pb2_grpc import add_AssetsServicer_to_server
from perdure.trades.services.proto.wallets_pb2_grpc import add_WalletsServicer_to_server
from perdure.trades.services.simulators import assets, wallets
from perdure.trades.services.simulators.assets_books import AssetBooks
from perdure.trades.services.simulators.serving import ServiceSettings
from perdure.trades.services.simulators.wallets_books import WalletBooks
from perdure.trades.services.wallets_grpc import GrpcWalletService

from .exchange import LOTS, PAID_MINOR, agreed


class TestTrades(KindContract):
    plural = "trades"
    asks: ClassVar = {"reserved_lots": LOTS}
    asks_refused: ClassVar = {"reserved_lots": LOTS - 1}
    refused_code = "reservation_exceeded"
    corrects: ClassVar = {"buyer": {"name": "Ada", "email": "ada@example.com", "phone": None}}
    costs_minor = PAID_MINOR

    @asynccontextmanager
    async def open_provider(self, folder: Path) -> AsyncIterator[str]:
        """Run both services; a repeat of what acts is done twice there."""
        settings = ServiceSettings(folder)
        async with (
            Journal(folder / "assets.jsonl") as of_assets,
            Journal(folder / "wallets.jsonl") as of_wallets,
        ):
            asset_books = AssetBooks(of_assets, opening_lots=10**6, idempotent=False)
            wallet_books = WalletBooks(of_wallets, opening_minor=10**9, idempotent=False)

            def serve(server: aio.Server) -> None:
                add_AssetsServicer_to_server(assets.Assets(settings, asset_books), server)
                add_WalletsServicer_to_server(wallets.Wallets(settings, wallet_books), server)

            names = [assets.SERVICE, wallets.SERVICE]
            async with serve_grpc(serve, names, host="127.0.0.1", port=0) as port:
                yield f"grpc://127.0.0.1:{port}"

    def open_wire(self, server: str) -> AbstractAsyncContextManager[AnyWire]:
        return open_grpc_wire(server)

    def environment(self, url: str) -> dict[str, str]:
        return {
            f"PERDURE_{name}_{what}": value
            for name in ("ASSETS", "WALLETS")
            for what, value in (("URL", url), ("TIMEOUT_S", "1"))
        }

    async def asked(
        self, scene: Scene, asks: Mapping[str, Any], account: Mapping[str, str]
    ) -> dict[str, Any]:
        """What two orders have agreed: so much of the seller's is set aside."""
        seller = await scene.house.account(funds_minor=0)
        request = agreed(account, seller)
        async with ProviderHost(timeout_s=5) as host:
            service = GrpcAssetService.from_settings(GrpcSettings(url=scene.server), host)
            await service.reserve(
                reference=request.sell_order_id,
                owner=request.seller_account_id,
                asset=request.asset,
                quantity_lots=asks["reserved_lots"],
            )
        return asdict(request)

    async def take_in(self, scene: Scene, asked: Mapping[str, Any], lane: int | None) -> Operation:
        """As the asset's writer does."""
        acceptance = scene.house.platform.kinds.own(TradeAcceptance)
        request = from_json(TradeRequest, dict(asked))
        async with scene.house.platform.operations.transaction() as connection:
            (found,) = await acceptance.accept_trades(connection, [request], lanes=[lane])
        return found

    async def standing(self, url: str, operation_id: str) -> int:
        """Asset and money are exchanged together, so where both stand it is one."""
        async with ProviderHost(timeout_s=5) as host:
            settings = GrpcSettings(url=url)
            at_assets = GrpcAssetService.from_settings(settings, host)
            at_wallets = GrpcWalletService.from_settings(settings, host)
            blocks = [
                block.status
                async for block in at_assets.blocks()
                if block.reference == operation_id and block.status != "unblocked"
            ]
            moved = [
                transfer.status
                async for transfer in at_wallets.transfers()
                if transfer.reference == operation_id and transfer.status == "done"
            ]
        return max(len(blocks), len(moved))
