"""A gRPC call is one span on each side, in one trace, whichever of gRPC's APIs makes it."""

from collections.abc import Awaitable, Callable

import pytest
from opentelemetry.trace import SpanKind

from perdure.core.telemetry import telemetry
from perdure.core.threads import Threads
from perdure.providers.credentials import GrpcSettings
from perdure.providers.grpc import ProviderGrpc
from perdure.providers.grpc_blocking import BlockingProviderGrpc
from perdure.providers.grpc_channel import blocking_grpc_link, grpc_link
from perdure.providers.grpc_traces import trace_interceptors as of_client
from perdure.simulators.grpc_server import serve_grpc
from perdure.simulators.grpc_traces import trace_interceptors as of_server
from tests.tracing import traced

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALL = "grpc.health.v1.Health/Check"


async def ask(settings: GrpcSettings, service: str) -> None:
    link = grpc_link(settings, timeout_s=30)
    async with link.channel:
        await ProviderGrpc(link, "The service").check_health(service)


async def ask_blocking(settings: GrpcSettings, service: str) -> None:
    link, threads = blocking_grpc_link(settings, timeout_s=30), Threads("tests", 1)
    try:
        await BlockingProviderGrpc(link, "The service", threads=threads).check_health(service)
    finally:
        link.channel.close()
        await threads.close()


@pytest.mark.parametrize("asks", [ask, ask_blocking])
@pytest.mark.parametrize(("service", "status"), [("", 0), ("of none", 5)])
async def test_a_call_is_one_span_on_each_side_of_one_trace_t10(
    asks: Callable[[GrpcSettings, str], Awaitable[None]], service: str, status: int
) -> None:
    with traced() as (_, _, kept):
        async with serve_grpc(lambda _: None, [], host="127.0.0.1", port=0) as port:
            with telemetry().following(CALLER), telemetry().span("block_asset", {}):
                await asks(GrpcSettings(url=f"grpc://127.0.0.1:{port}"), service)
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
    assert answered.attributes is not None
    assert answered.attributes["rpc.grpc.status_code"] == status
    assert answered.status.is_unset, "a no is no error"
    assert called.attributes["rpc.method"] == "Check"


def test_where_nothing_is_traced_nothing_is_put_around_a_channel() -> None:
    assert of_client() == []
    assert of_server() == []
