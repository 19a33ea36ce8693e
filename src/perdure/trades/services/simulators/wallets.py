"""A wallet service: moves money, gives it back, and fails on demand."""

import re
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
from perdure.trades.services.proto import wallets_pb2 as pb
from perdure.trades.services.proto.wallets_pb2_grpc import (
    WalletsServicer,
    add_WalletsServicer_to_server,
)
from perdure.trades.services.simulators.books import lie
from perdure.trades.services.simulators.serving import (
    Ports,
    ServiceSettings,
    Serving,
    amount_in,
    check,
    is_amount,
    serve,
)
from perdure.trades.services.simulators.wallets_books import WalletBooks

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Wallets"].full_name

_REFUSALS: Final = {"Transfer": "WALLET_FROZEN", "Reverse": "TRANSFER_NOT_REVERSIBLE"}
_LIED_ABOUT: Final = {
    Fault.OTHER_AMOUNT: "amount_minor",
    Fault.OTHER_ASSET: "currency",
    Fault.OTHER_OWNER: "payer",
    Fault.OTHER_REFERENCE: "reference",
    Fault.UNKNOWN_STATUS: "status",
}
_CURRENCY: Final = re.compile("[A-Z]{3}")


@asynccontextmanager
async def open_wallets(settings: ServiceSettings) -> AsyncIterator[Ports]:
    """Run the wallet service while the context is open; yields where it listens.

    Raises:
        ConfigurationError: A port is taken, or the books are in use.
    """
    async with Journal(settings.data_dir / "wallets.jsonl") as journal:
        books = WalletBooks(journal, opening_minor=settings.opening, idempotent=settings.idempotent)
        service = Wallets(settings, books)
        add = partial(add_WalletsServicer_to_server, service)
        async with serve(settings, "wallets", service, SERVICE, add) as ports:
            yield ports


class Wallets(WalletsServicer):
    """The service's methods, and its control.

    Args:
        settings: How it is run.
        books: What it remembers.
    """

    def __init__(self, settings: ServiceSettings, books: WalletBooks) -> None:
        self._books = books
        lies = partial(lie, fields=_LIED_ABOUT)
        self._serving = Serving(books, settings.faults(refusals=_REFUSALS, lies=lies))

    def routes(self) -> list[Route]:
        """Return what is served to whoever controls it."""
        return [
            self._serving.totals(),
            Route("/control/wallets/{account}/{currency}", self.give, methods=["PUT"]),
            *self._serving.faults.routes(),
        ]

    async def Transfer(self, request: pb.TransferRequest, context: Context) -> pb.WalletTransfer:
        """Move money from one wallet to another."""
        await check(
            context,
            payer=bool(request.payer),
            payee=bool(request.payee) and request.payee != request.payer,
            amount_minor=is_amount(request.amount_minor),
            fee_minor=0 <= request.fee_minor <= request.amount_minor,
            currency=bool(_CURRENCY.fullmatch(request.currency)),
        )
        return await self._serving.act(
            context,
            "Transfer",
            request.reference,
            (request.reference, request.payer, request.payee),
            lambda fault: self._books.transfer(request, fails=fault is Fault.FAILS),
        )

    async def GetTransfer(
        self, request: pb.GetTransferRequest, context: Context
    ) -> pb.GetTransferResponse:
        """Tell what was transferred under a reference."""
        names = self._names_of(request.reference)
        kept = self._books.transfers.of(request.reference)
        found = await self._serving.read(context, "GetTransfer", request.reference, names, kept)
        return pb.GetTransferResponse(transfers=found)

    async def Reverse(self, request: pb.ReverseRequest, context: Context) -> pb.WalletTransfer:
        """Give all of a transfer back."""
        names = self._names_of(request.reference)
        return await self._serving.act(
            context, "Reverse", request.reference, names, lambda _: self._books.reverse(request)
        )

    async def ListTransfers(
        self, request: pb.ListTransfersRequest, context: Context
    ) -> AsyncIterator[pb.WalletTransfer]:
        """Tell of all transfers."""
        kept = self._books.transfers.all
        async for one in self._serving.faults.stream("ListTransfers", context, kept):
            yield one

    async def ListWallets(
        self, request: pb.ListWalletsRequest, context: Context
    ) -> AsyncIterator[pb.Wallet]:
        """Tell what is in each wallet."""
        async for one in self._serving.faults.stream("ListWallets", context, self._books.wallets()):
            yield one

    async def give(self, request: Request) -> Response:
        """Have so much in a wallet."""
        balance = await amount_in(request, "balance_minor")
        if balance is None:
            return refuse(400, "invalid_request", "balance_minor: a whole number from 0 on.")
        path = request.path_params
        self._books.give(path["account"], path["currency"], balance)
        await self._books.sync()
        return JSONResponse({**path, "balance_minor": balance})

    def _names_of(self, reference: str) -> tuple[str, ...]:
        found = self._books.transfers.first(reference)
        return (reference, found.payer, found.payee) if found else (reference,)
