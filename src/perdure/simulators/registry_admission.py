"""Whom a simulated registry lets in: its limits, its outages, and how quick it is."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.background import Background
from perdure.simulators.http_server import (
    cut_connection,
    invalid,
    rate_limited,
    refuse,
    unavailable,
    until_client_gives_up,
)

Handler = Callable[[Request], Awaitable[Response]]

OUTAGE_S_MAX: Final = 3600.0


@dataclass(frozen=True, slots=True)
class RegistryLimits:
    """What a registry stands. 0: no limit.

    Args:
        requests_per_s: Those above are answered 429. As many may come in one burst.
        at_once: A request above hangs until its client gives up.
        latency_s: How long an answer takes on average: from half of it to one and a half times.
    """

    requests_per_s: float = 0.0
    at_once: int = 0
    latency_s: float = 0.0


class Outage(StrEnum):
    """How a registry is away."""

    REFUSE = "refuse"
    CUT = "cut"
    UNAVAILABLE = "unavailable"


class _LimitsChange(BaseModel, strict=True, extra="forbid"):
    requests_per_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    at_once: Annotated[int, Field(ge=0)] = 0
    latency_s: Annotated[float, Field(ge=0, le=60)] = 0.0


class _OutageChange(BaseModel, extra="forbid"):
    kind: Outage | None
    for_s: Annotated[float, Field(gt=0, le=OUTAGE_S_MAX)] | None = None


class AdmissionControl:
    """Turns requests away, shown and changed at `/control/limits` and `/control/outage`.

    Args:
        limits: What is in force until it is changed.
        seed: Makes the latencies.
        background: What an outage goes on in, once its request is answered.
    """

    def __init__(self, limits: RegistryLimits, *, seed: int, background: Background) -> None:
        self._limits = limits
        self._background = background
        self._dice = random.Random(seed)  # noqa: S311 - reproducible
        self._bucket = _TokenBucket(limits.requests_per_s)
        self._running = 0
        self._turned_away: Counter[str] = Counter()
        self._outage: Outage | None = None
        self._outage_ends = math.inf

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/control/limits", self.change_limits, methods=["PATCH"]),
            Route("/control/limits", self.show_limits),
            Route("/control/outage", self.change_outage, methods=["PUT"]),
            Route("/control/outage", self.show_outage),
        ]

    def limited(self, handler: Handler) -> Handler:
        """Return a handler that only those reach who are let in."""

        async def admit(request: Request) -> Response:
            if (outage := self._current_outage()) is not None:
                self._turned_away["outage"] += 1
                if outage is Outage.CUT:
                    cut_connection(request)
                return unavailable()
            if wait_s := self._bucket.take():
                self._turned_away["rate_limited"] += 1
                return rate_limited(math.ceil(wait_s))
            if 0 < self._limits.at_once <= self._running:
                self._turned_away["left_hanging"] += 1
                await until_client_gives_up(request)
                return unavailable()
            self._running += 1
            try:
                if latency_s := self._limits.latency_s:
                    await asyncio.sleep(latency_s * self._dice.uniform(0.5, 1.5))
                return await handler(request)
            finally:
                self._running -= 1

        return admit

    async def show_limits(self, _: Request) -> Response:
        """Tell what is in force, and how many were turned away."""
        shown = asdict(self._limits) | {"turned_away": dict(self._turned_away)}
        return JSONResponse(shown)

    async def change_limits(self, request: Request) -> Response:
        """Change the limits that are named, until the registry ends."""
        try:
            asked = _LimitsChange.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        self._limits = replace(self._limits, **asked.model_dump(exclude_unset=True))
        self._bucket = _TokenBucket(self._limits.requests_per_s)
        return await self.show_limits(request)

    async def show_outage(self, _: Request) -> Response:
        """Tell whether there is an outage; of refused connections, nobody is told."""
        return JSONResponse({"kind": self._current_outage()})

    async def change_outage(self, request: Request) -> Response:
        """Begin or end an outage."""
        try:
            asked = _OutageChange.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        if asked.kind is Outage.REFUSE:
            return self._refuse_connections(request, asked.for_s)
        self._outage = asked.kind
        self._outage_ends = math.inf if asked.for_s is None else _now() + asked.for_s
        return JSONResponse(asked.model_dump())

    def _refuse_connections(self, request: Request, for_s: float | None) -> Response:
        if for_s is None:  # nobody could end it
            return refuse(400, "invalid_request", "for_s: say how long connections are refused.")
        server = request.app.state.server

        async def begin() -> None:
            self._background.start(server.refuse_connections(for_s))

        shown = {"kind": Outage.REFUSE, "for_s": for_s}
        return JSONResponse(shown, background=BackgroundTask(begin))

    def _current_outage(self) -> Outage | None:
        if self._outage is not None and _now() >= self._outage_ends:
            self._outage = None
        return self._outage


class _TokenBucket:
    """A rate with bursts of one second's requests.

    Args:
        per_s: 0: no limit.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._tokens_max = max(per_s, 1.0)
        self._tokens = self._tokens_max
        self._filled_at = _now()

    def take(self) -> float:
        """Take a token; returns 0, or how many seconds it is until there is one."""
        if not self._per_s:
            return 0.0
        now = _now()
        added = (now - self._filled_at) * self._per_s
        self._tokens = min(self._tokens + added, self._tokens_max)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_s
        self._tokens -= 1
        return 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
