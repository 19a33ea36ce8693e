"""Stripe, as far as `perdure.providers.stripe` asks it: PaymentIntents, refunds, webhooks.

It speaks Stripe's paths and shapes over the gateway simulator's books, and fails on demand in the
same ways. A payment method is one of Stripe's own for tests (`pm_card_visa`, …) or any of the
gateway simulator's tokens. Idempotency keys are known until `POST /control/forget_keys`; the search
is as far behind as `PUT /control/search` says.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.faults import UNKNOWN_STATUS, Answer, FaultControl, give
from perdure.simulators.gateway_behaviour import (
    TOKENS,
    UNKNOWN_TOKEN,
    Behaviour,
    Confirmation,
    Fault,
    hit_by,
)
from perdure.simulators.gateway_books import Charge, GatewayBooks
from perdure.simulators.gateway_processing import (
    ChargeRequest,
    GatewaySettings,
    Processing,
    RefundRequest,
)
from perdure.simulators.gateway_serving import serve_gateway
from perdure.simulators.stripe_shapes import (
    NO_REFERENCE,
    StripeCallbacks,
    charge_id_of,
    intent_of,
    refund_of,
    stripe_error,
)

STRIPE: Final = "stripe"

Form = dict[str, str]

_METHODS: Final[dict[str, Behaviour]] = {
    "pm_card_visa": Behaviour(),
    "pm_card_chargeDeclined": Behaviour(decline_code="generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": Behaviour(decline_code="insufficient_funds"),
    "pm_card_authenticationRequired": Behaviour(confirmation=Confirmation.NEVER),
    "pm_usBankAccount": Behaviour(),
}
"""As https://docs.stripe.com/testing has them."""
_NEEDS_ITS_HOLDER: Final = "pm_card_authenticationRequired"
_TAKES_TIME: Final = frozenset({"pm_usBankAccount"})


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """How it is run: as the gateway is; `idempotent` is no matter, Stripe always is."""

    gateway: GatewaySettings


def open_stripe(settings: GatewaySettings) -> AbstractAsyncContextManager[int]:
    """Run it while the context is open; yields its port; see `serve_gateway`."""
    return serve_gateway(
        settings,
        name=STRIPE,
        callbacks=StripeCallbacks,
        routes=lambda books, processing: Stripe(settings, books, processing).routes(),
    )


class Stripe:
    """The routes.

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
        self._keys: dict[str, tuple[str, int, Any]] = {}
        self._search_lag_s = 0.0
        self._webhook_url = settings.callback_url

    def routes(self) -> list[Route]:
        """Return what is served."""
        intents = "/v1/payment_intents"
        return [
            Route(intents, self._keyed(self.create), methods=["POST"]),
            Route(intents, self._asked(self.list_intents)),
            Route(f"{intents}/search", self._asked(self.search)),
            Route(f"{intents}/{{id}}", self._asked(self.retrieve)),
            Route(f"{intents}/{{id}}/cancel", self._keyed(self.cancel), methods=["POST"]),
            Route("/v1/refunds", self._keyed(self.refund), methods=["POST"]),
            Route("/v1/refunds", self._asked(self.list_refunds)),
            Route("/control/totals", self.show_totals),
            Route("/control/forget_keys", self.forget_keys, methods=["POST"]),
            Route("/control/search", self.change_search, methods=["PUT"]),
            Route("/control/webhook", self.change_webhook, methods=["PUT"]),
            *self._faults.routes(),
        ]

    async def create(self, request: Request, form: Form) -> Response:
        """Make a PaymentIntent and confirm it, or misbehave as the payment method asks."""
        method = form["payment_method"]
        asked = ChargeRequest(
            reference=form.get("metadata[perdure_reference]", NO_REFERENCE),
            amount_minor=int(form["amount"]),
            currency=form["currency"].upper(),
            payment_method=method,
        )
        attempt = len(self._books.answers(asked.reference))
        behaviour = _METHODS.get(method) or TOKENS.get(method, UNKNOWN_TOKEN)
        behaviour = hit_by(behaviour, self._faults.draw(asked.reference, attempt))
        if attempt < behaviour.unavailable_first:
            self._books.record_attempt(asked.reference, "unavailable")
            return stripe_error(503, "api_error", "Not now.")
        if attempt < behaviour.rate_limited_first:
            self._books.record_attempt(asked.reference, "rate_limited")
            return stripe_error(429, "invalid_request_error", "Slower.", code="rate_limit")
        if behaviour is UNKNOWN_TOKEN:
            said = f"No such PaymentMethod: '{method}'"
            return stripe_error(
                400, "invalid_request_error", said, code="resource_missing", param="payment_method"
            )
        if behaviour.decline_code is not None:
            self._books.record_attempt(asked.reference, behaviour.decline_code)
            declined = stripe_error(
                402,
                "card_error",
                "Your card was declined.",
                code="card_declined",
                decline_code=behaviour.decline_code,
            )
            return await self._answer(request, Answer.NORMAL, declined)
        charge = await self._processing.charge(asked, behaviour, self._webhook_url)
        if method == _NEEDS_ITS_HOLDER:
            self._books.record_end(charge, UNKNOWN_STATUS, failure_code=None, event=None)
        elif method in _TAKES_TIME or behaviour.confirmation != Confirmation.SUCCEEDED:
            self._processing.confirm_later(charge)
        else:  # a card's bank answers at once; its webhook comes by itself
            await self._processing.confirm_now(charge, and_told=False)
        return await self._answer(request, behaviour.answer, JSONResponse(intent_of(charge)))

    async def list_intents(self, request: Request) -> Response:
        """List PaymentIntents, the newest first."""
        return _page(request, [intent_of(charge) for charge in reversed(self._books.charges())])

    async def search(self, request: Request) -> Response:
        """Search by our reference, as of a while ago."""
        query = request.query_params["query"]
        reference = query.partition("]:'")[2].removesuffix("'").replace("\\'", "'")
        until = time.time() - self._search_lag_s
        found = [one for one in self._books.charges_of(reference) if one.created_at <= until]
        return JSONResponse(
            {
                "object": "search_result",
                "data": [intent_of(charge) for charge in found],
                "has_more": False,
                "url": "/v1/payment_intents/search",
            }
        )

    async def retrieve(self, request: Request) -> Response:
        """Tell of one."""
        charge = self._charge(request.path_params["id"])
        return JSONResponse(intent_of(charge)) if charge else _missing()

    async def cancel(self, request: Request, _: Form) -> Response:
        """Cancel one that has not ended."""
        charge = self._charge(request.path_params["id"])
        if charge is None:
            return _missing()
        takes_time = charge.payment_method in _TAKES_TIME and charge.status == "pending"
        if charge.status in {"succeeded", "cancelled"} or takes_time:
            said = "You cannot cancel this PaymentIntent in its status."
            code = "payment_intent_unexpected_state"
            return stripe_error(400, "invalid_request_error", said, code=code)
        self._books.record_end(charge, "cancelled", failure_code=None, event=None)
        await self._books.sync()
        behaviour = hit_by(Behaviour(), self._faults.draw_next(f"{charge.reference}:cancel"))
        return await self._answer(request, behaviour.answer, JSONResponse(intent_of(charge)))

    async def refund(self, request: Request, form: Form) -> Response:
        """Give back a part of a charge."""
        charge = self._charge(form["payment_intent"])
        if charge is None or charge.status != "succeeded":
            return _missing()
        amount, left = int(form["amount"]), charge.amount_minor - charge.refunded_minor
        if charge.dispute == "open":
            said, code = "The charge is disputed.", "charge_disputed"
            return stripe_error(400, "invalid_request_error", said, code=code)
        if not left:
            said, code = "It has already been refunded.", "charge_already_refunded"
            return stripe_error(400, "invalid_request_error", said, code=code)
        if amount > left:
            said = f"Refund amount ({amount}) is greater than unrefunded amount ({left})"
            return stripe_error(400, "invalid_request_error", said, param="amount")
        asked = RefundRequest(
            reference=form["metadata[perdure_reference]"],
            charge_reference=charge.reference,
            amount_minor=amount,
        )
        behaviour = hit_by(Behaviour(), self._faults.draw_next(f"{asked.reference}:refund"))
        made = await self._processing.refund(asked, charge)
        answer = JSONResponse(refund_of(made))
        return await self._answer(request, behaviour.answer, answer)

    async def list_refunds(self, request: Request) -> Response:
        """List a PaymentIntent's refunds, the newest first."""
        of = request.query_params.get("payment_intent")
        charge_id = charge_id_of(of) if of else None
        refunds = self._books.refunds()
        found = [refund for refund in refunds if charge_id in (None, refund.charge_id)]
        return _page(request, [refund_of(refund) for refund in reversed(found)])

    async def show_totals(self, _: Request) -> Response:
        """Tell counts and sums."""
        return JSONResponse(self._books.totals())

    async def forget_keys(self, _: Request) -> Response:
        """Forget all idempotency keys, as a day does."""
        self._keys.clear()
        return JSONResponse({})

    async def change_search(self, request: Request) -> Response:
        """Say how far behind the search is."""
        self._search_lag_s = float(json.loads(await request.body())["lag_s"])
        return JSONResponse({})

    async def change_webhook(self, request: Request) -> Response:
        """Say where webhooks go."""
        self._webhook_url = str(json.loads(await request.body())["url"])
        return JSONResponse({})

    def _charge(self, intent_id: str) -> Charge | None:
        charge_id = charge_id_of(intent_id)
        return next((one for one in self._books.charges() if one.id == charge_id), None)

    def _asked(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Answer who has a key."""

        async def handle(request: Request) -> Response:
            if not request.headers.get("authorization", "").startswith("Bearer sk_test_"):
                return stripe_error(401, "invalid_request_error", "Invalid API Key provided.")
            response: Response = await handler(request)
            return response

        return handle

    def _keyed(self, handler: Callable[[Request, Form], Any]) -> Callable[[Request], Any]:
        """Answer a key that was used with what it was answered then."""

        async def handle(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            key, asked = request.headers.get("idempotency-key", ""), str(sorted(form.items()))
            if earlier := self._keys.get(key):
                content, status, body = earlier
                if content != asked:
                    said = "Keys for idempotent requests can only be used with the same parameters."
                    return stripe_error(400, "idempotency_error", said)
                headers = {"Idempotent-Replayed": "true"}
                return JSONResponse(body, status_code=status, headers=headers)
            response: Response = await handler(request, form)
            # What it did, whatever it answered; what it did not begin on is not kept.
            if key and (done := getattr(request.state, "done", None)):
                self._keys[key] = (asked, done.status_code, json.loads(done.body))
            return response

        return self._asked(handle)

    async def _answer(self, request: Request, answer: Answer, response: Response) -> Response:
        """Give the answer, or spoil it; what was asked for is done by now."""
        request.state.done = response
        return await give(request, response, answer, slow_s=self._settings.slow_s)


def _missing() -> Response:
    said = "No such payment_intent"
    return stripe_error(404, "invalid_request_error", said, code="resource_missing")


def _page(request: Request, items: Sequence[dict[str, Any]]) -> Response:
    """Return a part of a list, as Stripe pages."""
    limit, first = int(request.query_params.get("limit", "10")), 0
    since = int(request.query_params.get("created[gte]", "0"))
    items = [item for item in items if item["created"] >= since]
    if after := request.query_params.get("starting_after"):
        first = next(place for place, item in enumerate(items) if item["id"] == after) + 1
    return JSONResponse(
        {
            "object": "list",
            "data": items[first : first + limit],
            "has_more": len(items) > first + limit,
            "url": request.url.path,
        }
    )
