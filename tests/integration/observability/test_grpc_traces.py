"""A gRPC call is one span on each side, in one trace, whichever of gRPC's APIs makes it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from opentelemetry.trace import SpanKind

from perdure.core.telemetry import telemetry
from perdure.providers.grpc_traces import trace_interceptors as of_client
from perdure.providers.grpc_traces import traced_channel
from perdure.simulators.grpc_traces import trace_interceptors as of_server
from tests.tracing import traced

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALL = "grpc.health.v1.Health/Check"


async def ask(address: str, service: str) -> None:
    async with aio.insecure_channel(address, interceptors=of_client()) as channel:
        asked = health_pb2.HealthCheckRequest(service=service)
        await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=30)


async def ask_blocking(address: str, service: str) -> None:
    def call() -> None:
        with grpc.insecure_channel(address) as channel:
            asked = health_pb2.HealthCheckRequest(service=service)
            health_pb2_grpc.HealthStub(traced_channel(channel)).Check(asked, timeout=30)

    await asyncio.to_thread(call)


@pytest.mark.parametrize("asks", [ask, ask_blocking])
@pytest.mark.parametrize(("service", "status"), [("", 0), ("of none", 5)])
async def test_a_call_is_one_span_on_each_side_of_one_trace_t10(
    asks: Callable[[str, str], Awaitable[None]], service: str, status: int
) -> None:
    with traced() as (_, _, kept):
        server = aio.server(interceptors=of_server())
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            with (
                telemetry().following(CALLER),
                telemetry().span("block_asset", {}),
                suppress(grpc.RpcError),
            ):
                await asks(f"127.0.0.1:{port}", service)
        finally:
            await server.stop(grace=0)
    by_kind = {one.kind: one for one in kept.spans}
    answered, called, step = map(
        by_kind.__getitem__, (SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL)
    )
    assert (answered.name, called.name, step.name) == (CALL, CALL, "block_asset")
    assert called.parent == step.context
    assert answered.parent is not None
    assert answered.parent.span_id == called.context.span_id
    assert {f"{one.context.trace_id:032x}" for one in kept.spans} == {CALLER.split("-")[1]}
    assert called.attributes is not None
    assert called.attributes["rpc.grpc.status_code"] == status
    assert called.attributes["rpc.method"] == "Check"


def test_where_nothing_is_traced_nothing_is_put_around_a_channel() -> None:
    assert of_client() == []
    assert of_server() == []
