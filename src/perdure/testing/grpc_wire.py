"""A wire between a gRPC client and its server, that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import StatusCode, aio

from perdure.core.ports import LOOPBACK
from perdure.simulators.grpc_server import Context, cut_connection, refuse
from perdure.testing.wire import Fault

_HEALTH = "/grpc.health.v1.Health/"
_READS = ("Get", "List", "Find")
"""How the names of methods begin that have no effect."""
_CODES = {401: StatusCode.UNAUTHENTICATED, 503: StatusCode.UNAVAILABLE}
"""What gRPC says where HTTP has a status."""
_IDLE = ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)


@dataclass(frozen=True, slots=True)
class GrpcFault(Fault):
    """What happens to a call on its way.

    Args:
        code: How it ends, instead of as the server ends it.
        reason: Of the `ErrorInfo` in the status details; empty: there are none.
        retry_after_s: Of their `RetryInfo`.
        nonsense: It is answered with bytes that are no message.
    """

    code: StatusCode | None = None
    reason: str = ""
    retry_after_s: float | None = None
    nonsense: bool = False


class GrpcWire(grpc.GenericRpcHandler):
    """Passes calls of any service on, until something is to happen to them.

    Args:
        channel: To the server.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self.url = ""
        self.requests = 0
        self._channel = channel
        self._fault: Fault | None = None
        self._acts_only = False
        self._spares = ""

    @contextmanager
    def fault(self, fault: Fault, *, acts_only: bool = False, spares: str = "") -> Iterator[None]:
        """Have something happen to every call while the context is open; see `AnyWire`."""
        self._fault, self._acts_only, self._spares = fault, acts_only, spares
        try:
            yield
        finally:
            self._fault = None

    def service(self, handler_call_details: Any) -> Any:
        """Return what handles a method: any, as its bytes are passed on."""
        method: str = handler_call_details.method

        async def handle(request: bytes, context: Context) -> AsyncIterator[bytes]:
            # Whether the server is there is no question to the provider.
            is_health = method.startswith(_HEALTH)
            self.requests += not is_health
            reads = method.rpartition("/")[2].startswith(_READS)
            is_spared = is_health or method == self._spares or (self._acts_only and reads)
            fault = None if is_spared else self._fault
            if fault is None or fault.arrives:
                async for answer in self._passed_on(method, request, context):
                    if fault is None:
                        yield answer
            if fault is not None:
                yield await _end(fault, context)

        return grpc.unary_stream_rpc_method_handler(handle)

    async def _passed_on(
        self, method: str, request: bytes, context: Context
    ) -> AsyncIterator[bytes]:
        call: aio.UnaryStreamCall[bytes, bytes] = self._channel.unary_stream(method)(
            request,  # type: ignore[arg-type]
            metadata=context.invocation_metadata(),
            timeout=context.time_remaining(),
        )
        try:
            async for answer in call:
                yield answer
        except aio.AioRpcError as error:
            await context.abort(
                error.code(), error.details() or "", tuple(error.trailing_metadata())
            )


async def _end(fault: Fault, context: Context) -> bytes:
    if fault.status is not None:
        await refuse(context, _CODES[fault.status], message="So it is.")
    if isinstance(fault, GrpcFault):
        if fault.nonsense:
            return b"\xff\xff<html>"
        if fault.code is not None:
            wait_s = fault.retry_after_s
            await refuse(context, fault.code, fault.reason, "So it is.", retry_after_s=wait_s)
    if fault.cuts:
        await cut_connection(context)
    await asyncio.Event().wait()  # until the client gives up
    return b""


@asynccontextmanager
async def open_grpc_wire(server: str) -> AsyncIterator[GrpcWire]:
    """Lay a wire to a server, given its URL; the wire's `url` is what the client is given."""
    async with aio.insecure_channel(server.removeprefix("grpc://"), options=_IDLE) as channel:
        wire = GrpcWire(channel)
        near = aio.server(options=(("grpc.so_reuseport", 0),))
        near.add_generic_rpc_handlers((wire,))
        wire.url = f"grpc://{LOOPBACK}:{near.add_insecure_port(f'{LOOPBACK}:0')}"
        await near.start()
        try:
            yield wire
        finally:
            await near.stop(grace=0)
