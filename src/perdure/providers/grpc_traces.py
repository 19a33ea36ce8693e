"""gRPC calls as spans, and the header by which they say what they are part of.

Of our own: the instrumentation package of OpenTelemetry is a pre-release. Put around a channel only
where there are traces.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc import aio

from perdure.core.telemetry import Facts, Side, Span, telemetry


def trace_interceptors() -> list[aio.ClientInterceptor]:
    """Return what is put around a channel of gRPC's asyncio API."""
    return [_Unary(), _Stream()] if telemetry().traces else []


def traced_channel(channel: grpc.Channel) -> grpc.Channel:
    """Return a channel of gRPC's blocking API with what is put around it."""
    return grpc.intercept_channel(channel, _BlockingUnary()) if telemetry().traces else channel


def facts_of(method: str | bytes) -> tuple[str, Facts]:
    """Return a call's name and what is told of it, of its path `/package.Service/Method`."""
    path = (method.decode() if isinstance(method, bytes) else method).removeprefix("/")
    service, _, name = path.partition("/")
    return path, {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


@contextmanager
def _call(details: Any) -> Iterator[tuple[Span, Any]]:
    name, facts = facts_of(details.method)
    with telemetry().span(name, facts, side=Side.ASKING) as span:
        yield span, _carrying(details)


def _carrying(details: Any) -> Any:
    """Return a call's details with the header added."""
    added = (*(details.metadata or ()), *telemetry().carried().items())
    return details._replace(metadata=added)


def _note(span: Span, code: grpc.StatusCode) -> None:
    span.note({"rpc.grpc.status_code": code.value[0]})


class _Unary(aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        with _call(client_call_details) as (span, details):
            call = await continuation(details, request)
            _note(span, await call.code())
            return call


class _Stream(aio.UnaryStreamClientInterceptor):
    """A stream is read for long, and is no step's wait: it has no span, and says whose it is."""

    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        return await continuation(_carrying(client_call_details), request)


class _BlockingUnary(grpc.UnaryUnaryClientInterceptor):
    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        with _call(client_call_details) as (span, details):
            call = continuation(details, request)
            _note(span, call.code())
            return call
