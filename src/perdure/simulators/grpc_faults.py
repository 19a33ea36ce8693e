"""What goes wrong on purpose at a gRPC service: by name, as it is told, and by chance."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Final, NoReturn, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode
from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.faults import ALWAYS, Chance, FaultControl
from perdure.simulators.grpc_server import (
    Context,
    cut_connection,
    refuse,
    until_client_gives_up,
)
from perdure.simulators.http_server import invalid

Answer = TypeVar("Answer", bound=Message)

EVERYTHING: Final = "*"
"""The name that everything has."""
_RETRY_AFTER_S: Final = 2


class Fault(StrEnum):
    """What can go wrong."""

    UNAVAILABLE_BEFORE = "unavailable_before"
    REFUSED = "refused"
    ABORTED = "aborted"
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_FOR = "rate_limited_for"
    CUT_BEFORE = "cut_before"
    UNAVAILABLE_AFTER = "unavailable_after"
    TIMEOUT_AFTER = "timeout_after"
    CUT_AFTER = "cut_after"
    INTERNAL_AFTER = "internal_after"
    CANCELLED_AFTER = "cancelled_after"
    EXISTS_AFTER = "exists_after"
    DELAY = "delay"
    TWICE = "twice"
    FAILS = "fails"
    OTHER_AMOUNT = "other_amount"
    OTHER_ASSET = "other_asset"
    OTHER_OWNER = "other_owner"
    OTHER_REFERENCE = "other_reference"
    UNKNOWN_STATUS = "unknown_status"


LIES: Final = frozenset(one for one in Fault if one.startswith(("other_", "unknown_")))
"""The answer says otherwise than it is."""
BY_CHANCE: Final = tuple(one for one in Fault if one not in {Fault.REFUSED, Fault.FAILS})
"""What does not by itself change how a call has to end."""
COPED_WITH: Final = tuple(one for one in Fault if one is not Fault.TWICE)
"""All but the service's own mistake, which nobody else can mend."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How calls about something are treated.

    Args:
        first: How many of the first calls of a method under one reference.
        methods: Of which methods; none: of all.
    """

    fault: Fault
    first: Annotated[int, Field(ge=1)] = ALWAYS
    methods: tuple[str, ...] = ()


_BEHAVIOUR: Final = TypeAdapter(Behaviour)

BY_NAME: Final[Mapping[str, Behaviour]] = {
    "down": Behaviour(Fault.UNAVAILABLE_BEFORE),
    "flaky": Behaviour(Fault.UNAVAILABLE_BEFORE, 2),
    "frozen": Behaviour(Fault.REFUSED),
    "aborted": Behaviour(Fault.ABORTED, 2),
    "busy": Behaviour(Fault.RATE_LIMITED, 2),
    "exhausted": Behaviour(Fault.RATE_LIMITED_FOR, 2),
    "unreachable": Behaviour(Fault.CUT_BEFORE, 1),
    "error": Behaviour(Fault.UNAVAILABLE_AFTER, 1),
    "timeout": Behaviour(Fault.TIMEOUT_AFTER, 1),
    "cut": Behaviour(Fault.CUT_AFTER, 1),
    "internal": Behaviour(Fault.INTERNAL_AFTER, 1),
    "cancelled": Behaviour(Fault.CANCELLED_AFTER, 1),
    "exists": Behaviour(Fault.EXISTS_AFTER, 1),
    "slow": Behaviour(Fault.DELAY),
    "twice": Behaviour(Fault.TWICE, 1),
    "fails": Behaviour(Fault.FAILS),
    "overstated": Behaviour(Fault.OTHER_AMOUNT),
    "mistaken": Behaviour(Fault.OTHER_ASSET),
    "misowned": Behaviour(Fault.OTHER_OWNER),
    "misfiled": Behaviour(Fault.OTHER_REFERENCE),
    "undecided": Behaviour(Fault.UNKNOWN_STATUS),
}
"""By the first word of an asset's or an account's name, as in `CUT-SWORD`; in any case."""


class GrpcFaults:
    """Says what goes wrong with a call, and has it go wrong.

    Args:
        chance: What goes wrong by chance, until it is changed.
        refusals: The reason that each method refuses with.
        slow_s: How long a slow answer takes, and each message of a slow stream.
        lie: Changes an answer as a fault has it.
    """

    def __init__(
        self,
        chance: Chance[Fault],
        *,
        refusals: Mapping[str, str],
        slow_s: float,
        lie: Callable[[Message, Fault], None],
    ) -> None:
        self._control = FaultControl(chance, Fault, usual=COPED_WITH)
        self._refusals = refusals
        self._slow_s = slow_s
        self._lie = lie
        self._told: dict[str, Behaviour] = {}
        self._attempts: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """Return what is served to whoever controls it."""
        named = "/control/behaviours/{name}"
        return [
            *self._control.routes(),
            Route("/control/behaviours", self.show),
            Route(named, self.tell, methods=["PUT"]),
            Route(named, self.forget, methods=["DELETE"]),
        ]

    async def show(self, _: Request) -> Response:
        """Tell which behaviours are in force beside those by name."""
        return JSONResponse({name: asdict(one) for name, one in self._told.items()})

    async def tell(self, request: Request) -> Response:
        """Have calls about a name behave so, until it is forgotten or the simulator ends."""
        try:
            behaviour = _BEHAVIOUR.validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        name = request.path_params["name"]
        self._told[name] = behaviour
        # What is told counts from now on.
        self._attempts.clear()
        return JSONResponse(asdict(behaviour))

    async def forget(self, request: Request) -> Response:
        """Have calls about a name behave as they do by themselves."""
        self._told.pop(request.path_params["name"], None)
        return JSONResponse({})

    def of(
        self, method: str, reference: str, names: Iterable[str], *, reads: bool = False
    ) -> Fault | None:
        """Return what goes wrong with the next call of a method under a reference.

        Args:
            names: What it is about.
            reads: It has no effect: nothing goes wrong with it by chance, nor by a name but that it
                lies, unless the behaviour names the method, or is everything's.
        """
        attempt = self._attempts[key := f"{method}:{reference}"]
        self._attempts[key] += 1
        behaviour = self._behaviour(method, names, reads=reads)
        if behaviour is not None:
            return behaviour.fault if attempt < behaviour.first else None
        return None if reads else self._control.draw_next(key)

    def _told_otherwise(self, answer: Answer, fault: Fault | None) -> Answer:
        """Return an answer as a fault has it; the books stay as they are."""
        if fault is None or fault not in LIES:
            return answer
        told = type(answer)()
        told.CopyFrom(answer)
        self._lie(told, fault)
        return told

    async def before(self, method: str, fault: Fault | None, context: Context) -> None:
        """End a call that is to have no effect."""
        match fault:
            case Fault.UNAVAILABLE_BEFORE:
                await refuse(context, StatusCode.UNAVAILABLE, "OVERLOADED", "Not now.")
            case Fault.REFUSED:
                message = "The service does not do that."
                reason = self._refusals[method]
                await refuse(context, StatusCode.FAILED_PRECONDITION, reason, message)
            case Fault.ABORTED:
                await refuse(context, StatusCode.ABORTED, "CONCURRENT_CHANGE", "Begin anew.")
            case Fault.RATE_LIMITED:
                await refuse(context, StatusCode.RESOURCE_EXHAUSTED, message="Slower.")
            case Fault.RATE_LIMITED_FOR:
                code = StatusCode.RESOURCE_EXHAUSTED
                await refuse(context, code, message="Slower.", retry_after_s=_RETRY_AFTER_S)
            case Fault.CUT_BEFORE:
                await cut_connection(context)

    async def after(self, fault: Fault | None, context: Context, answer: Answer) -> Answer:
        """Return a call's answer, or spoil it."""
        match fault:
            case Fault.UNAVAILABLE_AFTER:
                await refuse(context, StatusCode.UNAVAILABLE, "OVERLOADED", "Not any more.")
            case Fault.TIMEOUT_AFTER:
                await until_client_gives_up()
            case Fault.CUT_AFTER:
                await cut_connection(context)
            case Fault.INTERNAL_AFTER:
                await refuse(context, StatusCode.INTERNAL, "DEFECT", "It broke.")
            case Fault.CANCELLED_AFTER:
                await refuse(context, StatusCode.CANCELLED, message="It was called off.")
            case Fault.EXISTS_AFTER:
                await refuse_existing(context)
            case Fault.DELAY:
                await asyncio.sleep(self._slow_s)
        return self._told_otherwise(answer, fault)

    async def stream(
        self, method: str, context: Context, messages: Iterable[Answer]
    ) -> AsyncIterator[Answer]:
        """Yield a stream's messages, or spoil it."""
        fault = self.of(method, "", (), reads=True)
        await self.before(method, fault, context)
        for number, message in enumerate(messages):
            if fault is Fault.DELAY:
                await asyncio.sleep(self._slow_s)
            elif fault is not None and number:  # it breaks off in its midst
                await self.after(fault, context, message)
            yield message

    def _behaviour(self, method: str, names: Iterable[str], *, reads: bool) -> Behaviour | None:
        for name in (*names, EVERYTHING):
            behaviour = self._told.get(name) or BY_NAME.get(first_word(name))
            if behaviour is None or (behaviour.methods and method not in behaviour.methods):
                continue
            meant = behaviour.methods or name == EVERYTHING or behaviour.fault in LIES
            if meant or not reads:
                return behaviour
        return None


def first_word(name: str) -> str:
    """Return what a name begins with, by which it is known: `cut` of `CUT-SWORD`."""
    return name.partition("-")[0].lower()


async def refuse_existing(context: Context) -> NoReturn:
    """End a call with that there is something under its reference already."""
    message = "There is something under this reference already."
    await refuse(context, StatusCode.ALREADY_EXISTS, "ALREADY_DONE", message)
