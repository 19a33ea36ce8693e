"""How the simulated services are run, and answer: as their books say, or as a fault has it."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode, aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.simulators.faults import Chance
from perdure.simulators.grpc_faults import Fault, GrpcFaults, refuse_existing
from perdure.simulators.grpc_server import Context, refuse, serve_grpc
from perdure.simulators.http_server import serve_http
from perdure.trades.services.simulators.books import Books, Exists, No

Answer = TypeVar("Answer", bound=Message)

_AMOUNT_MAX: Final = 2**53
"""What JSON tells exactly; the books' sums stay far from it."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a service is run.

    Args:
        data_dir: Where its books are kept.
        port: Of its control, over HTTP; 0: any that is free.
        grpc_port: 0: any that is free.
        opening: What everybody has of everything, when first looked at.
        idempotent: A reference that was used is refused with ALREADY_EXISTS. Off, a repeat is done
            again: the harder service, which shows whether its clients ask first.
        slow_s: How long a slow answer takes, and each message of a slow stream.
        chance: What goes wrong by chance.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    grpc_port: int = 0
    opening: int = 1_000_000_000
    idempotent: bool = False
    slow_s: float = 2.0
    chance: Chance[Fault] = field(default_factory=Chance)

    def faults(
        self, *, refusals: Mapping[str, str], lies: Callable[[Message, Fault], None]
    ) -> GrpcFaults:
        """Return what goes wrong; see `GrpcFaults`."""
        return GrpcFaults(self.chance, refusals=refusals, slow_s=self.slow_s, lie=lies)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a service listens."""

    control: int
    grpc: int


class Service(Protocol):
    """What is served."""

    def routes(self) -> list[Route]:
        """Return what is served to whoever controls it."""
        ...


@asynccontextmanager
async def serve(
    settings: ServiceSettings,
    name: str,
    service: Service,
    full_name: str,
    add: Callable[[aio.Server], None],
) -> AsyncIterator[Ports]:
    """Serve a service and its control while the context is open; yields where it listens.

    Raises:
        ConfigurationError: A port is taken.
    """
    identity = Identity(name, books_in(settings.data_dir))
    host = settings.host
    async with (
        serve_grpc(add, [full_name], host=host, port=settings.grpc_port) as grpc_port,
        serve_http(service.routes(), host=host, port=settings.port, identity=identity) as port,
    ):
        yield Ports(port, grpc_port)


class Serving:
    """Answers calls.

    Args:
        books: What the service knows.
        faults: What goes wrong.
    """

    def __init__(self, books: Books, faults: GrpcFaults) -> None:
        self._books = books
        self.faults = faults

    async def act(
        self,
        context: Context,
        method: str,
        reference: str,
        names: Iterable[str],
        do: Callable[[Fault | None], Answer],
    ) -> Answer:
        """Do what is asked for, and answer once it is on the disk.

        Args:
            names: What it is about.
            do: Does it, given what goes wrong; raises `No` or `Exists`.
        """
        await check(context, reference=bool(reference))
        fault = self.faults.of(method, reference, names)
        await self.faults.before(method, fault, context)
        try:
            done = do(fault)
        except No as no:
            self._books.counts["refusal"] += 1
            await refuse(context, no.code, no.reason, f"The service says {no.reason}.")
        except Exists:
            await refuse_existing(context)
        if fault is Fault.TWICE:
            with suppress(No, Exists):
                do(fault)
        # As it stands now: the books go on while the disk is waited for.
        answer = type(done)()
        answer.CopyFrom(done)
        await self._books.sync()
        return await self.faults.after(fault, context, answer)

    def totals(self) -> Route:
        """Return the route that tells counts and sums."""
        return Route("/v1/totals", self._show_totals)

    async def _show_totals(self, _: Request) -> Response:
        return JSONResponse(self._books.totals())

    async def read(
        self,
        context: Context,
        method: str,
        reference: str,
        names: Iterable[str],
        found: Iterable[Answer],
    ) -> list[Answer]:
        """Return what was asked for, as it is told."""
        fault = self.faults.of(method, reference, names, reads=True)
        await self.faults.before(method, fault, context)
        return [await self.faults.after(fault, context, one) for one in found]


async def check(context: Context, **makes_sense: bool) -> None:
    """End a call one of whose fields makes no sense."""
    for name, does in makes_sense.items():
        if not does:
            message = f"{name} makes no sense."
            await refuse(context, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", message)


def is_amount(number: int) -> bool:
    """Whether so much can be moved."""
    return 0 < number <= _AMOUNT_MAX


async def amount_in(request: Request, name: str) -> int | None:
    """Return what a control's request says that there is to be; None: nothing that makes sense."""
    said = (await request.json()).get(name)
    return said if isinstance(said, int) and 0 <= said <= _AMOUNT_MAX else None
