"""The asset service over gRPC."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Self

from perdure.providers.choice import ASKED_BY_DOCTOR
from perdure.providers.credentials import GrpcSettings
from perdure.providers.grpc import GrpcCalls, ProviderGrpc
from perdure.providers.host import ProviderHost
from perdure.providers.outcomes import storable_text
from perdure.trades.services.assets import REFUSALS, BlockedAsset, Holding, Reservation
from perdure.trades.services.proto import assets_pb2 as pb
from perdure.trades.services.proto.assets_pb2_grpc import AssetsStub
from perdure.trades.services.statuses import status_names, status_of

SERVICE: Final = "perdure.assets.v1.Assets"
_STATUSES: Final = status_names(pb.BlockStatus.items())


class GrpcAssetService:
    """An asset service over gRPC.

    Args:
        calls: How its methods are called.
        stub: Them, of the same channel.
    """

    settings_type = GrpcSettings

    def __init__(self, calls: GrpcCalls, stub: AssetsStub) -> None:
        self._calls = calls
        self._stub = stub

    @classmethod
    def from_settings(cls, settings: GrpcSettings, host: ProviderHost) -> Self:
        """Return the service at a URL."""
        link = host.grpc(settings)
        calls = ProviderGrpc(link, "The asset service", refusals=REFUSALS)
        return cls(calls, AssetsStub(link.channel))

    async def reserve(
        self, *, reference: str, owner: str, asset: str, quantity_lots: int
    ) -> Reservation:
        """Set a part of a holding aside; see `AssetService.reserve`."""
        asked = pb.ReserveRequest(
            reference=reference, owner=owner, asset=asset, quantity_lots=quantity_lots
        )
        return await self._calls.act(self._stub.Reserve, asked, _reservation)

    async def reduce(self, *, reference: str, to_quantity_lots: int, version: int) -> Reservation:
        """Lower what is reserved; see `AssetService.reduce`."""
        asked = pb.ReduceRequest(
            reference=reference, to_quantity_lots=to_quantity_lots, version=version
        )
        return await self._calls.act(self._stub.Reduce, asked, _reservation)

    async def find_reservation(self, reference: str) -> Reservation | None:
        """Ask for a reservation; where there are several, the first is ours to use."""
        asked = pb.GetReservationRequest(reference=reference)
        return await self._calls.read(
            self._stub.GetReservation,
            asked,
            lambda found: next(map(_reservation, found.reservations), None),
        )

    async def block(self, *, reference: str, reservation: str, quantity_lots: int) -> BlockedAsset:
        """Take a part of a reservation; see `AssetService.block`."""
        asked = pb.BlockRequest(
            reference=reference, reservation=reservation, quantity_lots=quantity_lots
        )
        return await self._calls.act(self._stub.Block, asked, _block)

    async def find_block(self, reference: str) -> BlockedAsset | None:
        """Ask for a block; where there are several, the first is ours to use."""
        asked = pb.GetBlockRequest(reference=reference)
        return await self._calls.read(
            self._stub.GetBlock, asked, lambda found: next(map(_block, found.blocks), None)
        )

    async def deliver(self, *, reference: str, recipient: str) -> BlockedAsset:
        """Make what is blocked another's; see `AssetService.deliver`."""
        asked = pb.DeliverRequest(reference=reference, recipient=recipient)
        return await self._calls.act(self._stub.Deliver, asked, _block)

    async def unblock(self, reference: str) -> BlockedAsset:
        """Make what is blocked its owner's again; see `AssetService.unblock`."""
        asked = pb.UnblockRequest(reference=reference)
        return await self._calls.act(self._stub.Unblock, asked, _block)

    def holdings(self, asset: str = "") -> AsyncIterator[Holding]:
        """Read who has what."""
        asked = pb.ListHoldingsRequest(asset=asset)
        return self._calls.stream(self._stub.ListHoldings, asked, _holding)

    def reservations(self) -> AsyncIterator[Reservation]:
        """Read all reservations."""
        asked = pb.ListReservationsRequest()
        return self._calls.stream(self._stub.ListReservations, asked, _reservation)

    def blocks(self) -> AsyncIterator[BlockedAsset]:
        """Read all blocks."""
        return self._calls.stream(self._stub.ListBlocks, pb.ListBlocksRequest(), _block)

    async def books(
        self,
        since: datetime | None,  # noqa: ARG002 - it has them all
    ) -> AsyncIterator[BlockedAsset | Reservation]:
        """Read all blocks and reservations; see `perdure.providers.books.TellsBooks`."""
        async for block in self.blocks():
            yield block
        async for reservation in self.reservations():
            yield reservation

    async def check(self) -> None:
        """Ask the server whether it serves, and for what nobody has, with our credentials."""
        await self._calls.check_health(SERVICE)
        await self.find_block(ASKED_BY_DOCTOR)


def _reservation(said: pb.Reservation) -> Reservation:
    return Reservation(
        id=storable_text(said.id),
        reference=storable_text(said.reference),
        owner=storable_text(said.owner),
        asset=storable_text(said.asset),
        quantity_lots=said.quantity_lots,
        taken_lots=said.taken_lots,
        version=said.version,
    )


def _block(said: pb.BlockedAsset) -> BlockedAsset:
    return BlockedAsset(
        id=storable_text(said.id),
        reference=storable_text(said.reference),
        reservation=storable_text(said.reservation),
        owner=storable_text(said.owner),
        asset=storable_text(said.asset),
        quantity_lots=said.quantity_lots,
        status=status_of(_STATUSES, said.status),
        recipient=storable_text(said.recipient),
    )


def _holding(said: pb.Holding) -> Holding:
    return Holding(
        owner=storable_text(said.owner),
        asset=storable_text(said.asset),
        quantity_lots=said.quantity_lots,
        reserved_lots=said.reserved_lots,
        blocked_lots=said.blocked_lots,
    )
