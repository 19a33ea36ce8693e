"""The wallet service over gRPC."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Self

from pydantic import Field

from perdure.providers.choice import ASKED_BY_DOCTOR
from perdure.providers.credentials import GrpcSettings
from perdure.providers.grpc import GrpcCalls, ProviderGrpc
from perdure.providers.grpc_blocking import BlockingProviderGrpc
from perdure.providers.host import ProviderHost
from perdure.providers.outcomes import storable_text
from perdure.trades.services.proto import wallets_pb2 as pb
from perdure.trades.services.proto.wallets_pb2_grpc import WalletsStub
from perdure.trades.services.statuses import status_names, status_of
from perdure.trades.services.wallets import REFUSALS, Wallet, WalletTransfer

SERVICE: Final = "perdure.wallets.v1.Wallets"
_NAME: Final = "The wallet service"
_STATUSES: Final = status_names(pb.TransferStatus.items())


class _Wallets:
    """A wallet service over gRPC.

    Args:
        calls: How its methods are called.
        stub: Them, of the same channel.
    """

    def __init__(self, calls: GrpcCalls, stub: WalletsStub) -> None:
        self._calls = calls
        self._stub = stub

    async def transfer(
        self,
        *,
        reference: str,
        payer: str,
        payee: str,
        amount_minor: int,
        fee_minor: int,
        currency: str,
    ) -> WalletTransfer:
        """Move money; see `WalletService.transfer`."""
        asked = pb.TransferRequest(
            reference=reference,
            payer=payer,
            payee=payee,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=currency,
        )
        return await self._calls.act(self._stub.Transfer, asked, _transfer)

    async def find_transfer(self, reference: str) -> WalletTransfer | None:
        """Ask for a transfer; where there are several, the first is ours to use."""
        asked = pb.GetTransferRequest(reference=reference)
        return await self._calls.read(
            self._stub.GetTransfer,
            asked,
            lambda found: next(map(_transfer, found.transfers), None),
        )

    async def reverse(self, reference: str) -> WalletTransfer:
        """Give all of it back; see `WalletService.reverse`."""
        asked = pb.ReverseRequest(reference=reference)
        return await self._calls.act(self._stub.Reverse, asked, _transfer)

    def transfers(self) -> AsyncIterator[WalletTransfer]:
        """Read all transfers."""
        return self._calls.stream(self._stub.ListTransfers, pb.ListTransfersRequest(), _transfer)

    def wallets(self) -> AsyncIterator[Wallet]:
        """Read what is in each wallet."""
        return self._calls.stream(self._stub.ListWallets, pb.ListWalletsRequest(), _wallet)

    def books(self, since: datetime | None) -> AsyncIterator[WalletTransfer]:  # noqa: ARG002
        """Read all transfers; see `perdure.providers.books.TellsBooks`."""
        return self.transfers()

    async def check(self) -> None:
        """Ask the server whether it serves, and for what nobody has, with our credentials."""
        await self._calls.check_health(SERVICE)
        await self.find_transfer(ASKED_BY_DOCTOR)


class GrpcWalletService(_Wallets):
    """A wallet service over gRPC."""

    settings_type = GrpcSettings

    @classmethod
    def from_settings(cls, settings: GrpcSettings, host: ProviderHost) -> Self:
        """Return the service at a URL."""
        link = host.grpc(settings)
        calls = ProviderGrpc(link, _NAME, refusals=REFUSALS)
        return cls(calls, WalletsStub(link.channel))


class BlockingSettings(GrpcSettings):
    """Those of the wallet service whose calls block.

    Args:
        threads: How many calls there may be at a time.
    """

    threads: int = Field(default=16, ge=1, le=200)


class BlockingWalletService(_Wallets):
    """The same by gRPC's blocking API, in threads of its own.

    It is how a provider is served whose only library blocks.
    """

    settings_type = BlockingSettings

    @classmethod
    def from_settings(cls, settings: BlockingSettings, host: ProviderHost) -> Self:
        """Return the service at a URL."""
        link = host.blocking_grpc(settings)
        threads = host.threads("wallets", settings.threads)
        calls = BlockingProviderGrpc(link, _NAME, threads=threads, refusals=REFUSALS)
        return cls(calls, WalletsStub(link.channel))


def _transfer(said: pb.WalletTransfer) -> WalletTransfer:
    return WalletTransfer(
        id=storable_text(said.id),
        reference=storable_text(said.reference),
        amount_minor=said.amount_minor,
        currency=storable_text(said.currency),
        status=status_of(_STATUSES, said.status),
        payer=storable_text(said.payer),
        payee=storable_text(said.payee),
        fee_minor=said.fee_minor,
    )


def _wallet(said: pb.Wallet) -> Wallet:
    return Wallet(
        account=storable_text(said.account),
        currency=storable_text(said.currency),
        balance_minor=said.balance_minor,
    )
