"""Restate: a server with its own log, calling the handlers of a Python service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import restate  # noqa: F401 - so that a missing SDK is seen at once

from bench.books import open_books
from bench.peers.peer import PeerUnavailableError, Running, Site
from bench.peers.restate_binary import find_restate_server
from bench.peers.worker_processes import (
    OnSqlBooks,
    python_module,
    steps_environment,
    supervised,
)
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.temporal import free_port


@dataclass
class RunningRestate(OnSqlBooks):
    """Sends each saga to the server's ingress."""

    ingress: httpx.AsyncClient

    async def submit(self, saga: Saga) -> str:
        """Accept the payment, and send it, with its id as idempotency key."""
        payment = await self.books.accept(saga)
        response = await self.ingress.post(
            "/Saga/pay/send", json=asdict(payment), headers={"Idempotency-Key": payment.id}
        )
        response.raise_for_status()
        return payment.id


@dataclass(frozen=True, slots=True)
class _Ports:
    node: int
    ingress: int
    admin: int
    service: int


class Restate:
    """Five durable steps."""

    name = "restate"
    durable_steps = 5
    set_up = (
        "Restate's server (one node, default settings, so its log is synced) and Python SDK: one"
        " handler of five ctx.run steps (asyncpg), served by hypercorn, as many processes as"
        " workers. At most 16 streams a connection (default: 128), as otherwise one connection,"
        " and so one process, would get everything."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the service and the server, and register the one with the other."""
        binary = find_restate_server(site.cache)
        if binary is None:
            raise PeerUnavailableError("restate-server is not installed (npm)")
        ports = _Ports(free_port(), free_port(), free_port(), free_port())
        specs = [_service(site, ports), _server(site, binary, ports)]
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with (
            open_books(site.database_url, site.provider_url) as books,
            supervised(site.folder, specs) as supervisor,
            httpx.AsyncClient(base_url=_url(ports.ingress), timeout=30, limits=limits) as ingress,
        ):
            await _register(ports)
            yield RunningRestate(books, supervisor, ingress)


def _service(site: Site, ports: _Ports) -> ProcessSpec:
    async def ready() -> bool:
        async with httpx.AsyncClient(base_url=_url(ports.service)) as http:
            return (await http.get("/health")).is_success

    return ProcessSpec(
        name="worker",
        argv=python_module(
            "hypercorn",
            "bench.peers.restate_service:app",
            *("--bind", f"127.0.0.1:{ports.service}", "--workers", str(site.workers)),
        ),
        env=steps_environment(site),
        ready=ready,
    )


def _server(site: Site, binary: Path, ports: _Ports) -> ProcessSpec:
    async def ready() -> bool:
        async with httpx.AsyncClient() as http:
            answers = [
                await http.get(f"{_url(ports.admin)}/health"),
                await http.get(f"{_url(ports.ingress)}/restate/health"),
            ]
        return all(answer.is_success for answer in answers)

    return ProcessSpec(
        name="restate",
        argv=(str(binary.resolve()), "--no-logo"),
        env={
            "RESTATE_BASE_DIR": str((site.folder / "restate").resolve()),
            "RESTATE_NODE_NAME": "bench",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_ADVERTISED_HOST": "127.0.0.1",
            "RESTATE_BIND_PORT": str(ports.node),
            "RESTATE_INGRESS__BIND_PORT": str(ports.ingress),
            "RESTATE_ADMIN__BIND_PORT": str(ports.admin),
            "RESTATE_WORKER__INVOKER__HTTP2_STREAMS_PER_CONNECTION_LIMIT": "16",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "warn",
        },
        ready=ready,
    )


async def _register(ports: _Ports) -> None:
    async with httpx.AsyncClient(base_url=_url(ports.admin), timeout=30) as http:
        response = await http.post("/deployments", json={"uri": _url(ports.service)})
        response.raise_for_status()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
