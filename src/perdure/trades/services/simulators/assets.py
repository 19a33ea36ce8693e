"""An asset service: reserves, blocks, delivers, and fails on demand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.grpc_faults import Fault
from perdure.simulators.grpc_server import Context
from perdure.simulators.http_server import refuse
from perdure.simulators.journal import Journal
from perdure.trades.services.proto import assets_pb2 as pb
from perdure.trades.services.proto.assets_pb2_grpc import (
    AssetsServicer,
    add_AssetsServicer_to_server,
)
from perdure.trades.services.simulators.assets_books import AssetBooks
from perdure.trades.services.simulators.books import No, lie
from perdure.trades.services.simulators.serving import (
    Ports,
    ServiceSettings,
    Serving,
    amount_in,
    check,
    is_amount,
    serve,
)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Assets"].full_name

_REFUSALS: Final = {
    "Reserve": "HOLDING_FROZEN",
    "Reduce": "RESERVATION_NOT_LOWERED",
    "Block": "HOLDING_FROZEN",
    "Deliver": "RECIPIENT_FROZEN",
    "Unblock": "BLOCK_DELIVERED",
}
_LIED_ABOUT: Final = {
    Fault.OTHER_AMOUNT: "quantity_lots",
    Fault.OTHER_ASSET: "asset",
    Fault.OTHER_OWNER: "owner",
    Fault.OTHER_REFERENCE: "reference",
    Fault.UNKNOWN_STATUS: "status",
}


@asynccontextmanager
async def open_assets(settings: ServiceSettings) -> AsyncIterator[Ports]:
    """Run the asset service while the context is open; yields where it listens.

    Raises:
        ConfigurationError: A port is taken, or the books are in use.
    """
    async with Journal(settings.data_dir / "assets.jsonl") as journal:
        books = AssetBooks(journal, opening_lots=settings.opening, idempotent=settings.idempotent)
        service = Assets(settings, books)
        add = partial(add_AssetsServicer_to_server, service)
        async with serve(settings, "assets", service, SERVICE, add) as ports:
            yield ports


class Assets(AssetsServicer):
    """The service's methods, and its control.

    Args:
        settings: How it is run.
        books: What it remembers.
    """

    def __init__(self, settings: ServiceSettings, books: AssetBooks) -> None:
        self._books = books
        lies = partial(lie, fields=_LIED_ABOUT)
        self._serving = Serving(books, settings.faults(refusals=_REFUSALS, lies=lies))

    def routes(self) -> list[Route]:
        """Return what is served to whoever controls it."""
        return [
            self._serving.totals(),
            Route("/control/holdings/{owner}/{asset}", self.give, methods=["PUT"]),
            *self._serving.faults.routes(),
        ]

    async def Reserve(self, request: pb.ReserveRequest, context: Context) -> pb.Reservation:
        """Set a part of a holding aside."""
        await check(
            context,
            owner=bool(request.owner),
            asset=bool(request.asset),
            quantity_lots=is_amount(request.quantity_lots),
        )
        names = request.reference, request.owner, request.asset
        return await self._serving.act(
            context, "Reserve", request.reference, names, lambda _: self._books.reserve(request)
        )

    async def Reduce(self, request: pb.ReduceRequest, context: Context) -> pb.Reservation:
        """Lower what is reserved in all."""
        await check(
            context, version=request.version > 0, to_quantity_lots=request.to_quantity_lots >= 0
        )
        names = self._names_of_reservation(request.reference)
        return await self._serving.act(
            context, "Reduce", request.reference, names, lambda _: self._books.reduce(request)
        )

    async def GetReservation(
        self, request: pb.GetReservationRequest, context: Context
    ) -> pb.GetReservationResponse:
        """Tell what is reserved under a reference."""
        names = self._names_of_reservation(request.reference)
        kept = self._books.reservations.of(request.reference)
        found = await self._serving.read(context, "GetReservation", request.reference, names, kept)
        return pb.GetReservationResponse(reservations=found)

    async def Block(self, request: pb.BlockRequest, context: Context) -> pb.BlockedAsset:
        """Take a part of a reservation for a trade."""
        await check(
            context,
            reservation=bool(request.reservation),
            quantity_lots=is_amount(request.quantity_lots),
        )
        names = request.reference, *self._names_of_reservation(request.reservation)
        return await self._serving.act(
            context, "Block", request.reference, names, lambda _: self._books.block(request)
        )

    async def GetBlock(self, request: pb.GetBlockRequest, context: Context) -> pb.GetBlockResponse:
        """Tell what is blocked under a reference."""
        names = self._names_of_block(request.reference)
        kept = self._books.blocks.of(request.reference)
        found = await self._serving.read(context, "GetBlock", request.reference, names, kept)
        return pb.GetBlockResponse(blocks=found)

    async def Deliver(self, request: pb.DeliverRequest, context: Context) -> pb.BlockedAsset:
        """Make what is blocked another's."""
        await check(context, recipient=bool(request.recipient))
        names = request.recipient, *self._names_of_block(request.reference)
        return await self._serving.act(
            context, "Deliver", request.reference, names, lambda _: self._books.deliver(request)
        )

    async def Unblock(self, request: pb.UnblockRequest, context: Context) -> pb.BlockedAsset:
        """Make what is blocked its owner's again."""
        names = self._names_of_block(request.reference)
        return await self._serving.act(
            context, "Unblock", request.reference, names, lambda _: self._books.unblock(request)
        )

    async def ListHoldings(
        self, request: pb.ListHoldingsRequest, context: Context
    ) -> AsyncIterator[pb.Holding]:
        """Tell who has what."""
        holdings = self._books.holdings(request.asset)
        async for one in self._serving.faults.stream("ListHoldings", context, holdings):
            yield one

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: Context
    ) -> AsyncIterator[pb.Reservation]:
        """Tell of all reservations."""
        kept = self._books.reservations.all
        async for one in self._serving.faults.stream("ListReservations", context, kept):
            yield one

    async def ListBlocks(
        self, request: pb.ListBlocksRequest, context: Context
    ) -> AsyncIterator[pb.BlockedAsset]:
        """Tell of all blocks."""
        async for one in self._serving.faults.stream("ListBlocks", context, self._books.blocks.all):
            yield one

    async def give(self, request: Request) -> Response:
        """Have an owner have so much of an asset."""
        quantity = await amount_in(request, "quantity_lots")
        if quantity is None:
            return refuse(400, "invalid_request", "quantity_lots: a whole number from 0 on.")
        path = request.path_params
        try:
            self._books.give(path["owner"], path["asset"], quantity)
        except No as no:
            return refuse(409, no.reason.lower(), "More of it is set aside.")
        await self._books.sync()
        return JSONResponse({**path, "quantity_lots": quantity})

    def _names_of_reservation(self, reference: str) -> tuple[str, ...]:
        found = self._books.reservations.first(reference)
        return (reference, found.owner, found.asset) if found else (reference,)

    def _names_of_block(self, reference: str) -> tuple[str, ...]:
        found = self._books.blocks.first(reference)
        return (reference, found.owner, found.asset) if found else (reference,)
