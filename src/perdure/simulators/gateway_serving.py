"""A gateway as a server: its books, what goes on by itself, its callbacks, and a desk."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.simulators.background import Background
from perdure.simulators.gateway_books import GatewayBooks
from perdure.simulators.gateway_callbacks import Callbacks, open_client
from perdure.simulators.gateway_desk import Desk
from perdure.simulators.gateway_processing import GatewaySettings, Processing
from perdure.simulators.http_server import serve_http
from perdure.simulators.journal import Journal


@asynccontextmanager
async def serve_gateway(
    settings: GatewaySettings,
    *,
    name: str,
    callbacks: type[Callbacks],
    routes: Callable[[GatewayBooks, Processing], list[Route]],
) -> AsyncIterator[int]:
    """Run a gateway while the context is open; yields its port.

    What was pending or undelivered when it last ended goes on.

    Args:
        name: What it calls itself, and its journal.
        callbacks: How it tells of what happened.
        routes: Returns what is served, beside the desk.

    Raises:
        ConfigurationError: The port is taken, or the books are in use.
    """
    async with (
        Journal(settings.data_dir / f"{name}.jsonl") as journal,
        open_client() as client,
        Background() as background,
    ):
        books = GatewayBooks(journal)
        told = callbacks(books, client, settings.callback_secret)
        processing = Processing(settings, books, told, background)
        async with serve_http(
            [*routes(books, processing), *Desk(books, processing).routes()],
            host=settings.host,
            port=settings.port,
            identity=Identity(name, books_in(settings.data_dir)),
        ) as port:
            processing.resume()
            yield port
