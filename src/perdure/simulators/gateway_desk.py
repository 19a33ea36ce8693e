"""The gateway's own desk: what its people do to a charge, unasked by us."""

from typing import Literal

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.gateway_books import Charge, GatewayBooks
from perdure.simulators.gateway_processing import AmountMinor, Processing
from perdure.simulators.http_server import invalid, refuse


class DeskRefund(BaseModel, strict=True):
    """The body of `POST /control/charges/{reference}/refund`.

    Without an amount, all that is left is given back.
    """

    amount_minor: AmountMinor | None = None


class Dispute(BaseModel, strict=True):
    """The body of `PUT /control/charges/{reference}/dispute`."""

    status: Literal["open", "won", "lost"] = "open"


class Desk:
    """What can be done by hand, each told by a callback.

    Args:
        books: What the gateway remembers.
        processing: What it does.
    """

    def __init__(self, books: GatewayBooks, processing: Processing) -> None:
        self._books = books
        self._processing = processing

    def routes(self) -> list[Route]:
        """Return what is served."""
        charge = "/control/charges/{reference}"
        return [
            Route(f"{charge}/refund", self.refund, methods=["POST"]),
            Route(f"{charge}/dispute", self.dispute, methods=["PUT"]),
        ]

    async def refund(self, request: Request) -> Response:
        """Give back a charge in part or in whole."""
        try:
            asked = DeskRefund.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return invalid(error)
        charge = self._succeeded(request)
        if charge is None:
            return _no_charge()
        left = charge.amount_minor - charge.refunded_minor
        amount_minor = left if asked.amount_minor is None else asked.amount_minor
        if not 0 < amount_minor <= left:
            return refuse(409, "refund_exceeds_charge", "Less is left of the charge.")
        await self._processing.refund_at_desk(charge, amount_minor)
        return JSONResponse(charge.view(), status_code=201)

    async def dispute(self, request: Request) -> Response:
        """Have a charge disputed, or its dispute won or lost."""
        try:
            asked = Dispute.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return invalid(error)
        charge = self._succeeded(request)
        if charge is None:
            return _no_charge()
        await self._processing.dispute(charge, asked.status)
        return JSONResponse(charge.view())

    def _succeeded(self, request: Request) -> Charge | None:
        charges = self._books.charges_of(request.path_params["reference"])
        return next((charge for charge in charges if charge.status == "succeeded"), None)


def _no_charge() -> Response:
    return refuse(404, "charge_not_found", "No succeeded charge has that reference.")
