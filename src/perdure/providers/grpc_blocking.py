"""gRPC's blocking API, called from a pool of threads of its own.

For a provider whose library blocks: nothing of it runs on the event loop. What a call means is as
in `perdure.providers.grpc`.
"""

import threading
from collections.abc import AsyncIterator, Callable
from itertools import islice
from time import monotonic
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest

from perdure.core.threads import Threads
from perdure.core.turns import take_turn
from perdure.providers.grpc import (
    STREAM_TIMEOUT_S,
    Answer,
    GrpcOutcomes,
    Request,
    Response,
    check_health,
    is_unanswered,
)
from perdure.providers.grpc_channel import BlockingGrpcLink

_HEARD_OF_S: Final = 1.0
"""How long a server that was heard of is taken to be there."""
_AT_A_TIME: Final = 500
"""How many messages of a stream a thread reads before it gives them on."""


class BlockingProviderGrpc:
    """One provider's API, by gRPC's blocking API; see `perdure.providers.grpc.GrpcCalls`.

    Args:
        link: Its channel.
        provider: The provider's name, for messages.
        threads: Make the calls.
        refusals: The codes by which it says no for good, as it documents them.
    """

    def __init__(
        self,
        link: BlockingGrpcLink,
        provider: str,
        *,
        threads: Threads,
        refusals: frozenset[str] = frozenset(),
    ) -> None:
        self._link = link
        self._threads = threads
        self._outcomes = GrpcOutcomes(provider, refusals)
        self._health = health_pb2_grpc.HealthStub(link.channel)
        self._heard_at: float | None = None
        """When the server was last heard of; None: since then a call met nobody."""

    async def act(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Call something that has an effect; see `GrpcCalls.act`."""

        def call() -> Response | None:
            left_s = self._connected()
            try:
                return self._call(method, request, left_s)
            except grpc.RpcError as error:
                self._outcomes.raise_acted(error)

        response = await self._in_a_thread(call)
        if response is None:
            raise self._outcomes.acted_senselessly("it is no message of its kind")
        return returns(response)

    async def read(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Ask something; see `GrpcCalls.read`."""

        def call() -> Response | None:
            try:
                return self._call(method, request, self._link.timeout_s)
            except grpc.RpcError as error:
                self._outcomes.raise_read(error)

        response = await self._in_a_thread(call)
        if response is None:
            raise self._outcomes.makes_no_sense("it is no message of its kind")
        return returns(response)

    async def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> AsyncIterator[Answer]:
        """Read what comes one after the other; see `GrpcCalls.stream`."""
        call: Any = method(request, timeout=STREAM_TIMEOUT_S, metadata=self._link.metadata)

        def next_ones() -> list[Response]:
            silent = threading.Timer(self._link.timeout_s, call.cancel)
            silent.start()
            try:
                return list(islice(call, _AT_A_TIME))
            except grpc.RpcError as error:
                self._outcomes.raise_read(error)
            finally:
                silent.cancel()

        try:
            while messages := await self._in_a_thread(next_ones):
                for message in messages:
                    yield returns(message)
        finally:
            call.cancel()

    async def check_health(self, service: str) -> None:
        """Ask the server whether it serves; see `GrpcCalls.check_health`."""
        await check_health(self, self._health, service, self._outcomes)

    async def _in_a_thread(self, call: Callable[[], Answer]) -> Answer:
        await take_turn(for_a_request=True)
        try:
            return await self._threads.run(call, within_s=self._link.timeout_s)
        except TimeoutError:
            raise self._outcomes.unavailable("all its threads are taken") from None

    def _connected(self) -> float:
        """See that the server is there; return how long the call may take then.

        The blocking API does not tell whether a channel is connected, so that is found out by a
        question to the server, whatever it answers; not if it was just heard of.

        Raises:
            ProviderUnavailable: It is not; nothing was sent.
        """
        until = monotonic() + self._link.timeout_s
        if not self._is_there():
            try:
                self._call(self._health.Check, HealthCheckRequest(), self._link.timeout_s)
            except grpc.RpcError as error:
                if is_unanswered(error):
                    raise self._outcomes.unavailable("no connection") from error
        return until - monotonic()

    def _is_there(self) -> bool:
        return self._heard_at is not None and monotonic() - self._heard_at < _HEARD_OF_S

    def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_s: float,
    ) -> Response | None:
        try:
            response = method(request, timeout=timeout_s, metadata=self._link.metadata)
        except grpc.RpcError as error:
            self._heard_at = None if is_unanswered(error) else monotonic()
            raise
        self._heard_at = monotonic()
        return response
