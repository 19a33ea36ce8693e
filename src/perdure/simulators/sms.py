"""An SMS provider: takes texts, once per reference, and fails on demand by the number's end."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.http_server import (
    cut_connection,
    invalid,
    page,
    rate_limited,
    refuse,
    serve_http,
    unavailable,
    until_client_gives_up,
)
from perdure.simulators.journal import Journal
from perdure.simulators.message_books import Message, MessageBooks

INVALID: Final = "0001"
FLAKY: Final = "0002"
FLAKY_AFTER_EFFECT: Final = "0003"
CUT_AFTER_EFFECT: Final = "0004"
TIMEOUT_AFTER_EFFECT: Final = "0005"
RATE_LIMITED: Final = "0006"
DOWN: Final = "0007"

_FLAKY_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class SmsSettings:
    """How the SMS provider is run.

    Args:
        data_dir: Where its books are kept.
        port: 0: any that is free.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8104


class MessageRequest(BaseModel, strict=True):
    """The body of `POST /v1/messages`."""

    reference: Annotated[str, Field(min_length=1, max_length=200)]
    to: Annotated[str, Field(pattern=r"^\+?[0-9]{4,20}$")]
    text: Annotated[str, Field(min_length=1, max_length=1600)]


@asynccontextmanager
async def open_sms(settings: SmsSettings) -> AsyncIterator[int]:
    """Run the provider while the context is open; yields its port.

    Raises:
        ConfigurationError: The port is taken, or the books are in use.
    """
    async with Journal(settings.data_dir / "sms.jsonl") as journal:
        sms = Sms(MessageBooks(journal))
        identity = Identity("sms", books_in(settings.data_dir))
        routes = sms.routes()
        async with serve_http(
            routes, host=settings.host, port=settings.port, identity=identity
        ) as port:
            yield port


class Sms:
    """The provider's routes.

    Args:
        books: What it remembers.
    """

    def __init__(self, books: MessageBooks) -> None:
        self._books = books

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/messages", self.send, methods=["POST"]),
            Route("/v1/messages", self.list_messages),
            Route("/v1/totals", self.show_totals),
        ]

    async def send(self, request: Request) -> Response:
        """Take a text, or misbehave as its number asks."""
        try:
            asked = MessageRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        attempts_before = self._books.record_attempt(asked.reference)
        if earlier := self._books.messages_of(asked.reference):
            if (earlier[0].to, earlier[0].text) != (asked.to, asked.text):
                return refuse(409, "idempotency_mismatch", f"{asked.reference} was used before.")
            return JSONResponse(_view(earlier[0]))
        end = asked.to[-4:]
        if (refusal := _refuse_at_first(end, attempts_before)) is not None:
            return refusal
        message = Message(
            id=new_id("sms"),
            key=asked.reference,
            to=asked.to,
            sender="",
            subject="",
            text=asked.text,
            accepted_at=time.time(),
        )
        self._books.record_message(message)
        await self._books.sync()
        return await _answer(request, end, JSONResponse(_view(message), status_code=201))

    async def list_messages(self, request: Request) -> Response:
        """List texts, or those under one `?reference=`."""
        reference = request.query_params.get("reference")
        if reference is None:
            return page(request, self._books.messages(), _view)
        return page(request, self._books.messages_of(reference), _view)

    async def show_totals(self, _: Request) -> Response:
        """Tell counts."""
        return JSONResponse(self._books.totals())


def _refuse_at_first(end: str, attempts_before: int) -> Response | None:
    """Return an answer that comes without any effect; None: the text is taken."""
    if end == INVALID:
        return refuse(400, "invalid_number", "There is no such number.")
    if end == DOWN or (end == FLAKY and attempts_before < _FLAKY_FIRST):
        return unavailable()
    if end == RATE_LIMITED and attempts_before < _FLAKY_FIRST:
        return rate_limited()
    return None


async def _answer(request: Request, end: str, response: Response) -> Response:
    """Give the answer, or spoil it; the text is taken by now."""
    if end == FLAKY_AFTER_EFFECT:
        return unavailable()
    if end == CUT_AFTER_EFFECT:
        cut_connection(request)
    if end == TIMEOUT_AFTER_EFFECT:
        await until_client_gives_up(request)
    return response


def _view(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "reference": message.key,
        "to": message.to,
        "text": message.text,
        "accepted_at": message.accepted_at,
    }
