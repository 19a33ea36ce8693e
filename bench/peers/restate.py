"""Restate: a server with its own log, calling the handlers of a Python service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import aiohttp
import restate  # noqa: F401 - so that a missing SDK is seen at once

from bench.books import open_books, open_http
from bench.peers.peer import PeerUnavailableError, Running, Site
from bench.peers.restate_binary import find_restate_server
from bench.peers.worker_processes import (
    OnSqlBooks,
    python_module,
    started_together,
    steps_environment,
    supervised,
)
from bench.ports import free_ports
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec


@dataclass
class RunningRestate(OnSqlBooks):
    """Sends each saga to the server's ingress."""

    ingress: aiohttp.ClientSession

    async def submit(self, saga: Saga) -> str:
        """Accept the payment, and send it, with its id as idempotency key."""
        payment = await self.books.accept(saga)
        headers = {"Idempotency-Key": payment.id}
        async with self.ingress.post(
            "/Saga/pay/send", json=asdict(payment), headers=headers
        ) as response:
            await response.read()
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
        " handler of five ctx.run steps (asyncpg), served by hypercorn on uvloop, as many processes"
        " as workers. At most 16 streams a connection (default: 128), as otherwise one connection,"
        " and so one process, would get everything."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the service and the server, and register the one with the other."""
        binary = find_restate_server(site.cache)
        if binary is None:
            raise PeerUnavailableError("restate-server is not installed (npm)")
        ports = _Ports(*islice(free_ports(), 4))
        specs = started_together([_service(site, ports), _server(site, binary, ports)])
        async with (
            open_books(site.database_url, site.provider_url) as books,
            supervised(site.folder, specs) as supervisor,
            open_http(_url(ports.ingress)) as ingress,
        ):
            await _register(ports)
            yield RunningRestate(books, supervisor, ingress)


def _service(site: Site, ports: _Ports) -> ProcessSpec:
    async def ready() -> bool:
        return await _answers(ports.service, "/health")

    return ProcessSpec(
        name="worker",
        argv=python_module(
            "hypercorn",
            "bench.peers.restate_service:app",
            *("--bind", f"127.0.0.1:{ports.service}", "--workers", str(site.workers)),
            *("--worker-class", "uvloop"),
        ),
        env=steps_environment(site),
        ready=ready,
    )


def _server(site: Site, binary: Path, ports: _Ports) -> ProcessSpec:
    async def ready() -> bool:
        return await _answers(ports.admin, "/health") and await _answers(
            ports.ingress, "/restate/health"
        )

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
    deployment = {"uri": _url(ports.service)}
    async with (
        open_http(_url(ports.admin)) as http,
        http.post("/deployments", json=deployment) as response,
    ):
        await response.read()


async def _answers(port: int, path: str) -> bool:
    async with open_http(_url(port)) as http, http.get(path) as response:
        return response.ok


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
