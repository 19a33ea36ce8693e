"""What a gRPC call to a provider means: yes, no, or unknown.

| what happened                        | a call that acts         | a call that reads     |
|--------------------------------------|--------------------------|-----------------------|
| no connection (refused, DNS, TLS)    | `ProviderUnavailable`    | `ProviderUnavailable` |
| UNAVAILABLE, DEADLINE_EXCEEDED,      | `ProviderOutcomeUnknown` | `ProviderUnavailable` |
| CANCELLED, UNKNOWN, INTERNAL,        |                          |                       |
| DATA_LOSS; an answer without sense   |                          |                       |
| ABORTED, ALREADY_EXISTS              | `ProviderOutcomeUnknown` | `ProviderUnavailable` |
| RESOURCE_EXHAUSTED                   | `ProviderRateLimited`    | `ProviderRateLimited` |
| FAILED_PRECONDITION;                 | `ProviderDeclined`       | as without the code   |
| any with a documented code           |                          |                       |
| INVALID_ARGUMENT, OUT_OF_RANGE       | `InvalidInput`           | `InvalidInput`        |
| NOT_FOUND                            | `InvalidInput`           | `ProviderUnavailable` |
| UNAUTHENTICATED, PERMISSION_DENIED   | `ProviderUnavailable`    | `ProviderUnavailable` |
| UNIMPLEMENTED                        | `ProviderUnavailable`    | `ProviderUnavailable` |

UNAVAILABLE is what gRPC says where it never connected, where the connection broke under a call, and
where the service says so itself. So before a call that acts there is a look at the channel: as long
as it is not connected, nothing is sent, and that is known. Once it was, what ends in UNAVAILABLE
may have arrived.

A documented code is the `reason` of a `google.rpc.ErrorInfo` in the status details, in lower case,
that the client declares. Only the service itself writes details: what it breaks off with some has
ended there; without, a proxy may have said so, or the channel, and the call may arrive yet.

ALREADY_EXISTS has the code `provider_has_it_already`: `ProviderCalls` asks for what is there, at
once, and compares it. ABORTED is "done again from its beginning": its code is
`provider_call_under_way`, it is asked about, and then made anew.

Who does not know us did nothing, as in `perdure.providers.http`; and so has who knows no such
method: another service answers at the address, or one of another version.

"Never seen" is an empty list. NOT_FOUND to an inquiry is no answer: what stands between gives it
too.

`google.rpc.RetryInfo` is read from any answer: it holds for all who call the provider.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NoReturn, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from perdure.core.errors import ProviderError
from perdure.core.turns import take_turn
from perdure.providers.grpc_channel import GrpcLink
from perdure.providers.outcomes import Outcomes, whole_wait_s

Request = TypeVar("Request")
Response = TypeVar("Response")
Answer = TypeVar("Answer")

STREAM_TIMEOUT_S: Final = 600.0
"""A whole stream's deadline; each message of it has to come within the provider's time-out."""

_DETAILS: Final = "grpc-status-details-bin"
_SAID_HERE: Final = "Stream removed"
"""How the words begin with which the channel itself ends a call."""

_KNOWS_US_NOT: Final = frozenset({StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED})
_IS_WRONG: Final = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.OUT_OF_RANGE})
_NOT_ANSWERED: Final = frozenset({StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED})
_MAY_HAVE_ACTED: Final = _NOT_ANSWERED | {
    StatusCode.UNAVAILABLE,
    StatusCode.UNKNOWN,
    StatusCode.INTERNAL,
    StatusCode.DATA_LOSS,
}


class GrpcCalls(Protocol):
    """How a provider's methods are called, whichever of gRPC's APIs does it.

    A method is one of a stub's, made with the link's channel.
    """

    async def act(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Call something that has an effect, once.

        Args:
            returns: Makes ours of what it answers.

        Raises:
            ProviderUnavailable, ProviderRateLimited: It did nothing.
            ProviderDeclined: It answered no; the code is its own.
            InvalidInput: `provider_rejected_request`: it did nothing now, and never would.
            ProviderOutcomeUnknown: It may have acted, or be acting.
        """
        ...

    async def read(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Ask something that has no effect.

        Raises:
            ProviderUnavailable, ProviderRateLimited: Ask again later.
            InvalidInput: `provider_rejected_request`: the question is wrong.
        """
        ...

    def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> AsyncIterator[Answer]:
        """Read what comes one after the other.

        Raises:
            ProviderUnavailable, ProviderRateLimited, InvalidInput: As `read`.
        """
        ...

    async def check_health(self, service: str) -> None:
        """Ask the server whether it serves (`grpc.health.v1`); one that cannot say so is taken to.

        Raises:
            ProviderUnavailable: It does not, or gives no answer.
        """
        ...


class GrpcOutcomes(Outcomes):
    """Makes the errors of one provider, of what its calls ended with.

    Args:
        provider: Its name, for messages.
        refusals: The codes by which it says no for good, as it documents them.
    """

    def __init__(self, provider: str, refusals: frozenset[str]) -> None:
        super().__init__(provider)
        self._refusals = refusals

    def raise_acted(self, error: grpc.RpcError) -> NoReturn:
        """Raise what a call that acts ended with."""
        said = _Said(error)
        code, wait_s = said.code, said.wait_s
        self._raise_limited(said)
        if code in _NOT_ANSWERED or (code in _MAY_HAVE_ACTED and not said.has_details):
            raise self.not_answered(code.name, wait_s) from error
        if code in _MAY_HAVE_ACTED or code is StatusCode.RESOURCE_EXHAUSTED:
            in_flight = not said.has_details
            raise self.says_nothing(code.name, in_flight=in_flight, asked_wait_s=wait_s) from error
        if code is StatusCode.FAILED_PRECONDITION or said.reason in self._refusals:
            raise self.declined(said.reason, said.message) from error
        if code is StatusCode.ALREADY_EXISTS:
            raise self.has_it_already(said.message) from error
        if code is StatusCode.ABORTED:
            raise self.under_way(code.name, said.reason, retry_after_s=wait_s) from error
        self._raise_not_served(said)
        raise self.rejected(code.name, said.reason, said.message) from error

    def raise_read(self, error: grpc.RpcError) -> NoReturn:
        """Raise what a call that reads ended with."""
        said = _Said(error)
        self._raise_limited(said)
        if said.code in _MAY_HAVE_ACTED:
            raise self.unavailable(said.code.name, said.wait_s) from error
        if said.code in _IS_WRONG:
            raise self.rejected(said.code.name, said.reason, said.message) from error
        self._raise_not_served(said)
        raise self.no_answer(said.code.name, said.wait_s) from error

    def _raise_limited(self, said: "_Said") -> None:
        if said.code is StatusCode.RESOURCE_EXHAUSTED and not said.is_of_the_channel:
            raise self.rate_limited(said.wait_s)

    def _raise_not_served(self, said: "_Said") -> None:
        if said.code in _KNOWS_US_NOT:
            raise self.credentials_refused(said.code.name, said.reason, said.wait_s)
        if said.code is StatusCode.UNIMPLEMENTED:
            raise self.no_answer(said.code.name, said.wait_s)


class ProviderGrpc:
    """One provider's API, by gRPC's asyncio API; see `GrpcCalls`.

    Args:
        link: Its channel.
        provider: The provider's name, for messages.
        refusals: The codes by which it says no for good, as it documents them.
    """

    def __init__(
        self, link: GrpcLink, provider: str, *, refusals: frozenset[str] = frozenset()
    ) -> None:
        self._link = link
        self._outcomes = GrpcOutcomes(provider, refusals)
        self._health = health_pb2_grpc.HealthStub(link.channel)

    async def act(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Call something that has an effect; see `GrpcCalls.act`."""
        await take_turn(for_a_request=True)
        left_s = await self._connected()
        try:
            response = await self._call(method, request, left_s)
        except grpc.RpcError as error:
            self._outcomes.raise_acted(error)
        if response is None:  # gRPC's word for bytes that are no such message
            raise self._outcomes.acted_senselessly("it is no message of its kind")
        return returns(response)

    async def read(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        returns: Callable[[Response], Answer],
    ) -> Answer:
        """Ask something; see `GrpcCalls.read`."""
        await take_turn(for_a_request=True)
        was_there = self._link.channel.get_state() is grpc.ChannelConnectivity.READY
        try:
            try:
                response = await self._call(method, request, self._link.timeout_s)
            except grpc.RpcError as error:
                if not (was_there and _Said(error).code is StatusCode.UNAVAILABLE):
                    raise
                # The connection died under it, as may happen to one that was idle: another one.
                response = await self._call(method, request, self._link.timeout_s)
        except grpc.RpcError as error:
            self._outcomes.raise_read(error)
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
        await take_turn(for_a_request=True)
        call = cast("aio.UnaryStreamMultiCallable[Any, Response]", method)(
            request, timeout=STREAM_TIMEOUT_S, metadata=self._link.metadata
        )
        try:
            while True:
                async with asyncio.timeout(self._link.timeout_s):
                    message = await call.read()
                if message is aio.EOF:
                    return
                if message is None:
                    raise self._outcomes.makes_no_sense("it is no message of its kind")
                yield returns(cast("Response", message))
        except TimeoutError:
            raise self._outcomes.unavailable("it went silent") from None
        except grpc.RpcError as error:
            self._outcomes.raise_read(error)
        finally:
            call.cancel()

    async def check_health(self, service: str) -> None:
        """Ask the server whether it serves; see `GrpcCalls.check_health`."""
        await check_health(self, self._health, service, self._outcomes)

    async def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_s: float,
    ) -> Response | None:
        call = cast("aio.UnaryUnaryMultiCallable[Any, Response]", method)
        return await call(request, timeout=timeout_s, metadata=self._link.metadata)

    async def _connected(self) -> float:
        """Wait until the channel is connected; return how long the call may take then.

        Raises:
            ProviderUnavailable: It is not; nothing was sent.
        """
        channel, timeout_s = self._link.channel, self._link.timeout_s
        clock = asyncio.get_running_loop().time
        until = clock() + timeout_s
        state = channel.get_state(try_to_connect=True)
        try:
            async with asyncio.timeout_at(until):
                while state is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        raise self._outcomes.unavailable("no connection")
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            raise self._outcomes.unavailable("no connection in time") from None
        return until - clock()


async def check_health(
    calls: GrpcCalls, health: health_pb2_grpc.HealthStub, service: str, outcomes: Outcomes
) -> None:
    """Ask a server whether it serves; see `GrpcCalls.check_health`."""
    asked = health_pb2.HealthCheckRequest(service=service)
    try:
        status = await calls.read(health.Check, asked, lambda answer: answer.status)
    except ProviderError as error:
        if isinstance(error.__cause__, grpc.RpcError):
            said = _Said(error.__cause__).code
            if said in {StatusCode.UNIMPLEMENTED, StatusCode.NOT_FOUND}:
                return
        raise
    if status != health_pb2.HealthCheckResponse.SERVING:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        raise outcomes.unavailable(f"it says that it is {name}")


def is_unanswered(error: grpc.RpcError) -> bool:
    """Whether nobody may have been there to answer a call."""
    return _Said(error).code in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}


class _Said:
    """What a call ended with, as the service or the channel says it."""

    def __init__(self, error: grpc.RpcError) -> None:
        call = cast("grpc.Call", error)
        self.code: StatusCode = call.code()
        self.message = call.details() or ""
        self.has_details = False
        self.reason = ""
        self.wait_s: float | None = None
        for name, value in call.trailing_metadata() or ():
            if name == _DETAILS and isinstance(value, bytes):
                self._read(value)

    @property
    def is_of_the_channel(self) -> bool:
        """Whether the channel says so itself: an answer that it does not take, say."""
        return self.message.startswith(_SAID_HERE)

    def _read(self, details: bytes) -> None:
        try:
            found = Status.FromString(details)
        except DecodeError:
            return
        self.has_details = True
        info, retry = ErrorInfo(), RetryInfo()
        for one in found.details:
            if one.Is(ErrorInfo.DESCRIPTOR) and one.Unpack(info):
                self.reason = info.reason.lower()
            elif one.Is(RetryInfo.DESCRIPTOR) and one.Unpack(retry):
                delay = retry.retry_delay
                self.wait_s = whole_wait_s(delay.seconds + delay.nanos / 1e9)
