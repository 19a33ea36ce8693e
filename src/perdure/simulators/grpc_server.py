"""What the simulators' gRPC sides have in common."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn

import grpc
import psutil
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode, aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from perdure.core.errors import ConfigurationError
from perdure.core.ports import hold_port
from perdure.simulators.grpc_traces import trace_interceptors

_OPTIONS: Final = (
    # Otherwise a second server of the same port would take every other connection, unnoticed.
    ("grpc.so_reuseport", 0),
)

Serve = Callable[[aio.Server], None]
"""Adds a service to a server; what is generated has one for each."""
Context = aio.ServicerContext[Any, Any]


@asynccontextmanager
async def serve_grpc(
    serve: Serve,
    services: Iterable[str],
    *,
    host: str,
    port: int,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[int]:
    """Serve while the context is open, with health and reflection on; yields the port.

    Args:
        services: The full names of what is added.
        port: 0: any that is free.
        credentials: With TLS, these.

    Raises:
        ConfigurationError: The port is taken.
    """
    server = aio.server(options=_OPTIONS, interceptors=trace_interceptors())
    serve(server)
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    states = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    try:
        with hold_port(host, port) as held:
            address = f"{host}:{held.number}"
            if credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
            await server.start()
            for name in ("", *names):
                await states.set(name, health_pb2.HealthCheckResponse.SERVING)
            try:
                yield held.number
            finally:
                await server.stop(grace=0)
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"Nothing can listen at {host}:{port}. Choose another port, or stop what uses it.",
            param="grpc_port",
        ) from error


async def refuse(
    context: Context,
    code: StatusCode,
    reason: str = "",
    message: str = "",
    *,
    retry_after_s: float | None = None,
) -> NoReturn:
    """End a call with a code, and with what is told of it.

    Args:
        reason: Stable, as services document it; empty: there are no details.
        retry_after_s: When to try again.
    """
    details = []
    if reason:
        details.append(ErrorInfo(reason=reason, domain="perdure"))
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(int(retry_after_s * 1e9))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=code.value[0], message=message, details=map(_any, details))
    trailers = (("grpc-status-details-bin", status.SerializeToString()),) if details else ()
    await context.abort(code, message, trailers)
    raise AssertionError  # `abort` has raised


def _any(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


async def until_client_gives_up() -> NoReturn:
    """Wait until the client ends the call, which cancels this."""
    await asyncio.Event().wait()
    raise AssertionError


async def cut_connection(context: Context) -> NoReturn:
    """Close a call's connection, with whatever else is under way over it.

    gRPC has no word for it: the socket is looked for among the process's own.
    """
    remote = int(context.peer().rpartition(":")[2])
    for one in psutil.Process().net_connections("tcp"):
        if one.raddr and one.raddr.port == remote:
            with socket.socket(fileno=os.dup(one.fd)) as connection:
                connection.shutdown(socket.SHUT_RDWR)
    await until_client_gives_up()
