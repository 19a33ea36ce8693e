"""Simulators on free ports, and somebody who takes the gateway's callbacks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.polls import eventually

from perdure.providers.gateway import Charge, HttpPaymentGateway
from perdure.providers.gateway_callbacks import GatewayEvent, verify_callback
from perdure.providers.http_client import open_http_client
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.http_server import serve_http

SECRET = "whsec_c2lnbnMgdGhlIGNhbGxiYWNrcyBvZiB0aGUgdGVzdHM="
CLIENT_TIMEOUT_S = 2.0
SLOW_S = 0.2


@dataclass(slots=True)
class Receiver:
    """Takes callbacks, or refuses the first ones."""

    url: str = ""
    refusals: int = 0
    events: list[GatewayEvent] = field(default_factory=list)
    deliveries: int = 0

    async def receive(self, request: Request) -> Response:
        event = verify_callback([SECRET], request.headers, await request.body())
        self.deliveries += 1
        if self.deliveries <= self.refusals:
            return Response(status_code=503)
        self.events.append(event)
        return Response(status_code=204)

    def of(self, reference: str) -> list[GatewayEvent]:
        return [event for event in self.events if event.told.reference == reference]


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that runs in this process, with our client of it."""

    client: HttpPaymentGateway
    http: httpx.AsyncClient
    receiver: Receiver

    async def charge(
        self, reference: str, payment_method: str = "tok_ok", *, amount_minor: int = 1250
    ) -> Charge:
        return await self.client.charge(
            reference=reference,
            amount_minor=amount_minor,
            currency="EUR",
            payment_method=payment_method,
            callback_url=self.receiver.url,
        )

    async def charges(self, reference: str) -> list[dict[str, object]]:
        response = await self.http.get("/v1/charges", params={"reference": reference})
        found: list[dict[str, object]] = response.json()["data"]
        return found

    async def status(self, reference: str) -> str:
        charge = await self.client.find_charge(reference)
        return charge.status if charge else "none"

    async def answers(self, reference: str) -> list[str]:
        answers: list[str] = (await self.http.get(f"/v1/attempts/{reference}")).json()["answers"]
        return answers


async def called_back(gateway: RunningGateway, reference: str, times: int = 1) -> None:
    async def came() -> bool:
        return len(gateway.receiver.of(reference)) >= times

    await eventually(came)


StartGateway = Callable[..., Awaitable[RunningGateway]]


@dataclass(slots=True)
class CallbackServer:
    """One server for all tests; each has a receiver of its own."""

    url: str
    receiver: Receiver = field(default_factory=Receiver)


@pytest.fixture(scope="session")
async def callback_server() -> AsyncIterator[CallbackServer]:
    server = CallbackServer("")

    async def receive(request: Request) -> Response:
        return await server.receiver.receive(request)

    routes = [Route("/callbacks", receive, methods=["POST"])]
    async with serve_http(routes, host="127.0.0.1", port=0) as port:
        server.url = f"http://127.0.0.1:{port}/callbacks"
        yield server


@pytest.fixture
async def receiver(callback_server: CallbackServer) -> Receiver:
    callback_server.receiver = Receiver(callback_server.url)
    return callback_server.receiver


@pytest.fixture
async def start_gateway(tmp_path: Path, receiver: Receiver) -> AsyncIterator[StartGateway]:
    """Starts a gateway with the settings given."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> RunningGateway:
            chosen: dict[str, object] = {
                "data_dir": tmp_path,
                "callback_secret": SECRET,
                "port": 0,
                "confirm_delay_s": 0.02,
                "slow_s": SLOW_S,
                "late_callback_s": 0.3,
            }
            opened = open_gateway(GatewaySettings(**(chosen | settings)))  # type: ignore[arg-type]
            port = await stack.enter_async_context(opened)
            url = f"http://127.0.0.1:{port}"
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, timeout=CLIENT_TIMEOUT_S)
            )
            client = await stack.enter_async_context(
                open_http_client(url, timeout_s=CLIENT_TIMEOUT_S)
            )
            return RunningGateway(HttpPaymentGateway(client), http, receiver)

        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> RunningGateway:
    """A gateway as it is run by default, only quicker."""
    return await start_gateway()
