"""A house with both services of the trades, and trades made as an asset's writer makes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from perdure.capability.books import Books
from perdure.core.ids import new_id
from perdure.ledger.model import AccountStatus
from perdure.ledger.verify import Violation
from perdure.operations.model import Operation
from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.testing.house import House, open_house
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import TradeRequest
from perdure.trades.services.assets_grpc import GrpcAssetService
from perdure.trades.services.simulators.assets import open_assets
from perdure.trades.services.simulators.serving import ServiceSettings
from perdure.trades.services.simulators.wallets import open_wallets
from perdure.trades.services.wallets_grpc import GrpcWalletService

FUNDS_MINOR = 100_000
LOTS, PRICE_MINOR, BUYER_FEE_MINOR, SELLER_FEE_MINOR = 3, 200, 6, 3
PAID_MINOR = LOTS * PRICE_MINOR + BUYER_FEE_MINOR
EARNED_MINOR = LOTS * PRICE_MINOR - SELLER_FEE_MINOR

_NUMBERS = count(1)


def agreed(
    paying: Mapping[str, str], paid: Mapping[str, str], /, *, asset: str = "GEM", **more: Any
) -> TradeRequest:
    """Return what two orders have agreed, given whose accounts they are of."""
    return TradeRequest(
        asset=asset,
        quantity_lots=LOTS,
        price_minor=PRICE_MINOR,
        currency="USD",
        trade_number=next(_NUMBERS),
        buy_order_id=new_id("ord"),
        buyer_customer_id=paying["customer_id"],
        buyer_account_id=paying["account_id"],
        buyer_fee_minor=BUYER_FEE_MINOR,
        sell_order_id=new_id("ord"),
        seller_customer_id=paid["customer_id"],
        seller_account_id=paid["account_id"],
        seller_fee_minor=SELLER_FEE_MINOR,
        **more,
    )


@dataclass(frozen=True)
class Case:
    """A trade under test, and its two sides' accounts."""

    operation: Operation
    request: TradeRequest
    buyer: dict[str, str]
    seller: dict[str, str]

    @property
    def id(self) -> str:
        return self.operation.id


@dataclass
class Exchange:
    """Everything that a trade needs.

    Attributes:
        asset_control, wallet_control: What the simulators are told by.
    """

    house: House
    assets: GrpcAssetService
    wallets: GrpcWalletService
    asset_control: httpx.AsyncClient
    wallet_control: httpx.AsyncClient
    told: list[tuple[httpx.AsyncClient, str]] = field(default_factory=list)

    async def request(self, *, asset: str = "GEM", **more: Any) -> tuple[TradeRequest, Any, Any]:
        """Return what two orders have agreed: the seller's is reserved."""
        buyer = await self.house.account(funds_minor=FUNDS_MINOR)
        seller = await self.house.account(funds_minor=0)
        request = agreed(buyer, seller, asset=asset, **more)
        await self.assets.reserve(
            reference=request.sell_order_id,
            owner=request.seller_account_id,
            asset=asset,
            quantity_lots=LOTS,
        )
        return request, buyer, seller

    async def accept(self, requests: list[TradeRequest], lane: int | None) -> list[Operation]:
        """Take trades in, in one commit; they do not begin yet."""
        acceptance = self.house.platform.kinds.own(TradeAcceptance)
        async with self.house.platform.operations.transaction() as connection:
            return await acceptance.accept_trades(
                connection, requests, lanes=[lane] * len(requests)
            )

    async def trade(
        self,
        *,
        lane: int | None = None,
        asset: str = "GEM",
        assets: dict[str, Any] | None = None,
        wallets: dict[str, Any] | None = None,
        begins: bool = True,
        **more: Any,
    ) -> Case:
        """Have a trade made.

        Args:
            assets, wallets: How that service treats it, as its simulator is told.
        """
        request, buyer, seller = await self.request(asset=asset, **more)
        if assets is not None:
            await self.tell(self.asset_control, request.seller_account_id, assets)
        if wallets is not None:
            await self.tell(self.wallet_control, request.buyer_account_id, wallets)
        (operation,) = await self.accept([request], lane)
        if begins:
            await self.house.platform.operations.begin(operation)
        return Case(operation, request, buyer, seller)

    async def tell(self, control: httpx.AsyncClient, name: str, behaviour: dict[str, Any]) -> None:
        """Have a service treat what is about a name so."""
        answer = await control.put(f"/control/behaviours/{name}", json=behaviour)
        assert answer.status_code == 200, answer.text
        self.told.append((control, name))

    async def give(self, account: dict[str, str], asset: str, lots: int) -> None:
        """Have an account have so much of an asset."""
        path = f"/control/holdings/{account['account_id']}/{asset}"
        answer = await self.asset_control.put(path, json={"quantity_lots": lots})
        assert answer.is_success, answer.text

    async def order(
        self, account: dict[str, str], side: str, *, lots: int, at: int, reference: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Place an order by the API; returns how that is answered."""
        body = {
            "customer_id": account["customer_id"],
            "account_id": account["account_id"],
            "asset": "RING",
            "side": side,
            "quantity_lots": lots,
            "price_minor": at,
            "reference": reference or new_id("ref"),
        }
        answer = await self.house.api.post("/v1/orders", json=body)
        return answer.status_code, answer.json()

    async def block(self, account: dict[str, str], status: AccountStatus) -> None:
        """Have an account on our books take nothing new, or be open again."""
        async with self.house.platform.operations.transaction() as connection:
            ledger = self.house.platform.ledger
            await ledger.set_account_status(connection, account["account_id"], status)

    async def mend(self) -> None:
        """Have the services treat all as they should."""
        for control, name in self.told:
            await control.delete(f"/control/behaviours/{name}")
        self.told.clear()

    async def ended(self, case: Case) -> tuple[str, str | None]:
        """Wait for a trade's end; returns its status, and its failure's code."""
        operation = await self.house.end_of(case.id)
        return operation.status.value, operation.failure.code if operation.failure else None

    async def is_exchanged(self, case: Case) -> bool:
        """Whether all of it was; otherwise none of it must have been.

        The ledger, the assets' owners and the wallets are asked.
        """
        buyer, seller = await self.house.balance(case.buyer), await self.house.balance(case.seller)
        request = case.request
        block = await self.assets.find_block(case.id)
        transfer = await self.wallets.find_transfer(case.id)
        left = (block.status, block.recipient) if block is not None else None
        found = (
            FUNDS_MINOR - buyer.posted_minor,
            seller.posted_minor,
            FUNDS_MINOR - buyer.available_minor,
            left == ("delivered", request.buyer_account_id),
            transfer is not None and transfer.status == "done",
        )
        if found == (PAID_MINOR, EARNED_MINOR, PAID_MINOR, True, True):
            return True
        assert found == (0, 0, 0, False, False)
        assert block is None or block.status == "unblocked"
        return False

    async def differences(self, books: Books[Any], provider: Any) -> list[Violation]:
        """Compare a service's own books with ours."""
        async with self.house.platform.pool.acquire() as connection:
            return await books.compare(connection, {books.name: provider.books(None)})


@asynccontextmanager
async def open_exchange(postgres_url: str, client: Client, folder: Path) -> AsyncIterator[Exchange]:
    """Open a house with both services; a repeat of what acts is done twice there."""
    with pytest.MonkeyPatch.context() as environment:
        async with (
            open_assets(ServiceSettings(folder / "assets")) as at_assets,
            open_wallets(ServiceSettings(folder / "wallets")) as at_wallets,
            ProviderHost(timeout_s=5) as for_assets,
            ProviderHost(timeout_s=5) as for_wallets,
        ):
            urls = {
                "ASSETS": f"grpc://127.0.0.1:{at_assets.grpc}",
                "WALLETS": f"grpc://127.0.0.1:{at_wallets.grpc}",
            }
            for name, url in urls.items():
                environment.setenv(f"PERDURE_{name}_URL", url)
                environment.setenv(f"PERDURE_{name}_TIMEOUT_S", "1")
            async with (
                open_house(postgres_url, client, folder) as house,
                _control(at_assets.control) as asset_control,
                _control(at_wallets.control) as wallet_control,
            ):
                yield Exchange(
                    house,
                    GrpcAssetService.from_settings(GrpcSettings(url=urls["ASSETS"]), for_assets),
                    GrpcWalletService.from_settings(GrpcSettings(url=urls["WALLETS"]), for_wallets),
                    asset_control,
                    wallet_control,
                )


def _control(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
