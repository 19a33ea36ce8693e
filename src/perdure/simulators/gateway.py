"""A payment gateway: confirms asynchronously, calls back, and fails on demand."""

from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.faults import Answer, FaultControl, give, told
from perdure.simulators.gateway_behaviour import (
    TOKENS,
    UNKNOWN_TOKEN,
    Behaviour,
    Fault,
    hit_by,
)
from perdure.simulators.gateway_books import Charge, GatewayBooks, Refund
from perdure.simulators.gateway_callbacks import Callbacks, is_allowed_url
from perdure.simulators.gateway_processing import (
    ChargeRequest,
    GatewaySettings,
    Processing,
    RefundRequest,
)
from perdure.simulators.gateway_serving import serve_gateway
from perdure.simulators.http_server import (
    invalid,
    page,
    rate_limited,
    refuse,
    unavailable,
)


def open_gateway(settings: GatewaySettings) -> AbstractAsyncContextManager[int]:
    """Run the gateway while the context is open; yields its port; see `serve_gateway`."""
    return serve_gateway(
        settings,
        name="gateway",
        callbacks=Callbacks,
        routes=lambda books, processing: Gateway(settings, books, processing).routes(),
    )


class Gateway:
    """The gateway's routes.

    Args:
        settings: How it is run.
        books: What it remembers.
        processing: What it does.
    """

    def __init__(
        self, settings: GatewaySettings, books: GatewayBooks, processing: Processing
    ) -> None:
        self._settings = settings
        self._books = books
        self._processing = processing
        self._faults = FaultControl(settings.chance, Fault)

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/charges", self.create_charge, methods=["POST"]),
            Route("/v1/charges", self.list_charges),
            Route("/v1/charges/{reference}/cancel", self.cancel_charge, methods=["POST"]),
            Route("/v1/refunds", self.create_refund, methods=["POST"]),
            Route("/v1/refunds", self.list_refunds),
            Route("/v1/attempts/{reference}", self.show_attempts),
            Route("/v1/totals", self.show_totals),
            *self._faults.routes(),
        ]

    async def create_charge(self, request: Request) -> Response:
        """Charge, or misbehave as the payment method asks."""
        try:
            asked = ChargeRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        url = asked.callback_url or self._settings.callback_url
        if url is not None and not is_allowed_url(url, self._settings.callback_hosts):
            return refuse(400, "callback_url_not_allowed", "Callbacks only go to this machine.")
        if self._settings.idempotent and (earlier := self._books.charges_of(asked.reference)):
            return await self._repeat(asked, earlier[0])
        behaviour = self._behaviour(asked)
        if (refusal := self._refuse_at_first(asked, behaviour)) is not None:
            return refusal
        charge = await self._processing.charge(asked, behaviour, url)
        response = JSONResponse(told(behaviour.says, charge.view()), status_code=201)
        if behaviour.callback_first:
            await self._processing.confirm_now(charge)
        else:
            self._processing.confirm_later(charge)
        return await self._answer(request, behaviour.answer, response)

    async def list_charges(self, request: Request) -> Response:
        """List charges, or those under one `?reference=`."""
        reference = request.query_params.get("reference")
        found = self._books.charges() if reference is None else self._books.charges_of(reference)
        return page(request, found, Charge.view)

    async def cancel_charge(self, request: Request) -> Response:
        """Call off a pending charge; one that has ended is answered as it is."""
        reference = request.path_params["reference"]
        behaviour = self._behaviour_by_chance(f"{reference}:cancel")
        if behaviour.unavailable_first:
            return unavailable()
        charges = self._books.charges_of(reference)
        if not charges:
            return refuse(404, "charge_not_found", f"There is no charge under {reference}.")
        await self._processing.cancel(charges[0])
        response = JSONResponse(told(behaviour.says, charges[0].view()))
        return await self._answer(request, behaviour.answer, response)

    async def create_refund(self, request: Request) -> Response:
        """Give back a charge, once per reference."""
        try:
            asked = RefundRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        behaviour = self._behaviour_by_chance(f"{asked.reference}:refund")
        if behaviour.unavailable_first:
            return unavailable()
        refund = self._books.refund_of(asked.reference)
        if refund is None:
            charge = next(iter(self._books.charges_of(asked.charge_reference)), None)
            if charge is None or charge.status != "succeeded":
                return refuse(409, "charge_not_refundable", "No succeeded charge has that name.")
            if (refusal := _refuse_refund(asked, charge)) is not None:
                return refusal
            refund = await self._processing.refund(asked, charge)
        elif not _is_same_refund(asked, refund):
            return _mismatch(asked.reference)
        response = JSONResponse(told(behaviour.says, asdict(refund)), status_code=201)
        return await self._answer(request, behaviour.answer, response)

    async def list_refunds(self, request: Request) -> Response:
        """List refunds, or the one under a `?reference=`."""
        reference = request.query_params.get("reference")
        if reference is None:
            return page(request, self._books.refunds(), asdict)
        refund = self._books.refund_of(reference)
        return page(request, [refund] if refund else [], asdict)

    async def show_attempts(self, request: Request) -> Response:
        """Tell what came of each attempt to charge under a reference."""
        reference = request.path_params["reference"]
        return JSONResponse({"reference": reference, "answers": self._books.answers(reference)})

    async def show_totals(self, _: Request) -> Response:
        """Tell counts and sums."""
        return JSONResponse(self._books.totals())

    def _behaviour(self, asked: ChargeRequest) -> Behaviour:
        behaviour = TOKENS.get(asked.payment_method, UNKNOWN_TOKEN)
        if self._books.charges_of(asked.reference):
            # A token spoils the answer once; whoever charges again gets it.
            behaviour = replace(behaviour, answer=Answer.NORMAL)
        attempt = len(self._books.answers(asked.reference))
        return hit_by(behaviour, self._faults.draw(asked.reference, attempt))

    def _refuse_at_first(self, asked: ChargeRequest, behaviour: Behaviour) -> Response | None:
        """Return an answer that comes without any effect; None: the charge is made."""
        attempt = len(self._books.answers(asked.reference))
        if behaviour.decline_code is not None:
            self._books.record_attempt(asked.reference, behaviour.decline_code)
            return refuse(402, behaviour.decline_code, "The payment method was declined.")
        if attempt < behaviour.unavailable_first:
            self._books.record_attempt(asked.reference, "unavailable")
            return unavailable()
        if attempt < behaviour.rate_limited_first:
            self._books.record_attempt(asked.reference, "rate_limited")
            return rate_limited()
        return None

    async def _repeat(self, asked: ChargeRequest, earlier: Charge) -> Response:
        same = _is_same_charge(asked, earlier)
        self._books.record_attempt(asked.reference, "repeated" if same else "mismatch")
        await self._books.sync()
        return JSONResponse(earlier.view()) if same else _mismatch(asked.reference)

    def _behaviour_by_chance(self, attempted: str) -> Behaviour:
        """Return how a cancellation or a refund is treated."""
        return hit_by(Behaviour(), self._faults.draw_next(attempted))

    async def _answer(self, request: Request, answer: Answer, response: Response) -> Response:
        """Give the answer, or spoil it; what was asked for is done by now."""
        return await give(request, response, answer, slow_s=self._settings.slow_s)


def _refuse_refund(asked: RefundRequest, charge: Charge) -> Response | None:
    """Return why a charge is not given back; None: it is."""
    if charge.dispute == "open":
        return refuse(402, "charge_disputed", "Its holder disputes the charge.")
    if asked.amount_minor > charge.amount_minor - charge.refunded_minor:
        return refuse(409, "refund_exceeds_charge", "Less is left of the charge.")
    return None


def _is_same_charge(asked: ChargeRequest, charge: Charge) -> bool:
    return (asked.amount_minor, asked.currency, asked.payment_method) == (
        charge.amount_minor,
        charge.currency,
        charge.payment_method,
    )


def _is_same_refund(asked: RefundRequest, refund: Refund) -> bool:
    return (asked.charge_reference, asked.amount_minor) == (
        refund.charge_reference,
        refund.amount_minor,
    )


def _mismatch(reference: str) -> Response:
    return refuse(409, "idempotency_mismatch", f"{reference} was used with other content.")
