"""A gRPC server's calls as parts of their callers' traces."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from perdure.core.telemetry import TRACEPARENT, Side, telemetry


def trace_interceptors() -> list[aio.ServerInterceptor]:
    """Return what is put around a server where there are traces."""
    return [_Traced()] if telemetry().traces else []


class _Traced(aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        follows = dict(handler_call_details.invocation_metadata).get(TRACEPARENT)
        if handler is None or handler.unary_unary is None or not isinstance(follows, str):
            return handler
        path = handler_call_details.method.removeprefix("/")
        service, _, method = path.partition("/")
        facts = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

        async def answer(request: Any, context: Any) -> Any:
            with (
                telemetry().following(follows),
                telemetry().span(path, facts, side=Side.ASKED) as span,
            ):
                try:
                    return await handler.unary_unary(request, context)
                except aio.AbortError as error:
                    no = error  # an answer, and no defect
                finally:
                    code = context.code() or grpc.StatusCode.OK
                    span.note({"rpc.grpc.status_code": code.value[0]})
            raise no

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )
