"""A bank: pays out, takes back, and fails on demand."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.bank_behaviour import (
    DESTINATIONS,
    NOT_RECALLABLE,
    PAYS,
    Behaviour,
    Fault,
    hit_by,
)
from perdure.simulators.bank_books import BankBooks, Payout
from perdure.simulators.faults import (
    UNKNOWN_STATUS,
    Answer,
    Chance,
    FaultControl,
    give,
    otherwise,
    told,
)
from perdure.simulators.http_server import (
    invalid,
    page,
    rate_limited,
    refuse,
    serve_http,
    unavailable,
)
from perdure.simulators.journal import Journal


@dataclass(frozen=True, slots=True)
class BankSettings:
    """How the bank is run.

    Args:
        data_dir: Where its books are kept.
        port: 0: any that is free.
        idempotent: The same reference again returns the first payout. Off, it pays again: the
            harder bank, which shows whether its clients ask first.
        slow_s: How long a slow answer takes.
        chance: What goes wrong by chance.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8105
    idempotent: bool = False
    slow_s: float = 2.0
    chance: Chance[Fault] = field(default_factory=Chance)


Reference = Annotated[str, Field(min_length=1, max_length=200)]


class PayoutRequest(BaseModel, strict=True):
    """The body of `POST /v1/payouts`."""

    reference: Reference
    amount_minor: Annotated[int, Field(gt=0, lt=2**63)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    destination: Annotated[str, Field(min_length=1, max_length=200)]


class RecallRequest(BaseModel, strict=True):
    """The body of `POST /v1/payouts/recall`."""

    reference: Reference


class DeskChange(BaseModel, strict=True):
    """The body of `PUT /control/payouts/{reference}`."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


@asynccontextmanager
async def open_bank(settings: BankSettings) -> AsyncIterator[int]:
    """Run the bank while the context is open; yields its port.

    Raises:
        ConfigurationError: The port is taken, or the books are in use.
    """
    async with Journal(settings.data_dir / "bank.jsonl") as journal:
        bank = Bank(settings, BankBooks(journal))
        identity = Identity("bank", books_in(settings.data_dir))
        routes = bank.routes()
        async with serve_http(
            routes, host=settings.host, port=settings.port, identity=identity
        ) as port:
            yield port


class Bank:
    """The bank's routes.

    Args:
        settings: How it is run.
        books: What it remembers.
    """

    def __init__(self, settings: BankSettings, books: BankBooks) -> None:
        self._settings = settings
        self._books = books
        self._faults = FaultControl(settings.chance, Fault)

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/payouts", self.pay_out, methods=["POST"]),
            Route("/v1/payouts", self.list_payouts),
            Route("/v1/payouts/recall", self.recall_payout, methods=["POST"]),
            Route("/v1/totals", self.show_totals),
            Route("/control/payouts/{reference}", self.rebook, methods=["PUT"]),
            *self._faults.routes(),
        ]

    async def pay_out(self, request: Request) -> Response:
        """Pay out, or misbehave as the destination asks."""
        try:
            asked = PayoutRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        behaviour = self._behaviour(asked)
        if (refusal := self._refuse_at_first(asked.reference, behaviour)) is not None:
            self._books.record_refusal(asked.reference)
            return refusal
        earlier = self._books.payouts_of(asked.reference)
        if earlier and self._settings.idempotent:
            return await self._repeat(asked, earlier[0])
        payout = _payout(asked, behaviour)
        self._books.record_payout(payout)
        response = JSONResponse(told(behaviour.says, payout.view()), status_code=201)
        await self._books.sync()
        return await give(request, response, behaviour.answer, slow_s=self._settings.slow_s)

    async def list_payouts(self, request: Request) -> Response:
        """List payouts, or those under one `?reference=`."""
        reference = request.query_params.get("reference")
        found = self._books.payouts() if reference is None else self._books.payouts_of(reference)
        return page(request, found, Payout.view)

    async def recall_payout(self, request: Request) -> Response:
        """Take back the first payout under a reference; there will be no further one."""
        try:
            reference = RecallRequest.model_validate_json(await request.body()).reference
        except ValidationError as error:
            return invalid(error)
        behaviour = hit_by(PAYS, self._faults.draw_next(f"{reference}:recall"))
        if behaviour.unavailable_first:
            return unavailable()
        if behaviour.rate_limited_first:
            return rate_limited()
        payout = next(iter(self._books.payouts_of(reference)), None)
        if payout is None:
            payout = _payout_of_nothing(reference)
            self._books.record_payout(payout)
        elif payout.status in ("paid", UNKNOWN_STATUS):
            if payout.destination == NOT_RECALLABLE:
                return refuse(402, "payout_not_recallable", "The money cannot be taken back.")
            self._books.record_recall(payout)
        response = JSONResponse(told(behaviour.says, payout.view()))
        await self._books.sync()
        return await give(request, response, behaviour.answer, slow_s=self._settings.slow_s)

    async def show_totals(self, _: Request) -> Response:
        """Tell counts and sums."""
        return JSONResponse(self._books.totals())

    async def rebook(self, request: Request) -> Response:
        """Have the bank's people keep a payout in another currency, long after it was made."""
        try:
            currency = DeskChange.model_validate_json(await request.body()).currency
        except ValidationError as error:
            return invalid(error)
        payout = next(iter(self._books.payouts_of(request.path_params["reference"])), None)
        if payout is None:
            return refuse(404, "payout_not_found", "There is no payout under this reference.")
        self._books.record_rebooking(payout, currency)
        await self._books.sync()
        return JSONResponse(payout.view())

    def _behaviour(self, asked: PayoutRequest) -> Behaviour:
        behaviour = DESTINATIONS.get(asked.destination, PAYS)
        if earlier := self._books.payouts_of(asked.reference):
            if earlier[0].status == "recalled":
                return Behaviour(decline_code="payout_recalled")
            # A destination spoils the answer once; whoever pays out again gets it.
            behaviour = replace(behaviour, answer=Answer.NORMAL)
        attempt = self._books.attempts(asked.reference)
        return hit_by(behaviour, self._faults.draw(asked.reference, attempt))

    def _refuse_at_first(self, reference: str, behaviour: Behaviour) -> Response | None:
        """Return an answer that comes without any effect; None: the payout is made."""
        if behaviour.decline_code is not None:
            return refuse(402, behaviour.decline_code, "The bank does not pay this out.")
        attempt = self._books.attempts(reference)
        if attempt < behaviour.unavailable_first:
            return unavailable()
        if attempt < behaviour.rate_limited_first:
            return rate_limited()
        return None

    async def _repeat(self, asked: PayoutRequest, earlier: Payout) -> Response:
        if (asked.amount_minor, asked.currency, asked.destination) != (
            earlier.amount_minor,
            earlier.currency,
            earlier.destination,
        ):
            message = f"{asked.reference} was used with other content."
            return refuse(409, "idempotency_mismatch", message)
        await self._books.sync()
        return JSONResponse(earlier.view())


def _payout(asked: PayoutRequest, behaviour: Behaviour) -> Payout:
    payout = Payout(
        id=new_id("po"),
        reference=asked.reference,
        amount_minor=asked.amount_minor,
        currency=asked.currency,
        destination=asked.destination,
        created_at=time.time(),
        status="failed" if behaviour.failure_code else "paid",
        failure_code=behaviour.failure_code,
    )
    return replace(payout, **otherwise(behaviour.does, payout.view()))


def _payout_of_nothing(reference: str) -> Payout:
    """Return what stands in the way of whatever arrives under a recalled reference."""
    return Payout(
        id=new_id("po"),
        reference=reference,
        amount_minor=0,
        currency="",
        destination="",
        created_at=time.time(),
        status="recalled",
    )
