"""What goes wrong on purpose: answers that are spoiled, and faults by chance."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.http_server import (
    cut_connection,
    invalid,
    refuse,
    unavailable,
    until_client_gives_up,
)

ALWAYS: Final = 10**9
"""How many first attempts fail where none is ever to work."""

Kind = TypeVar("Kind", bound=StrEnum)


class Answer(StrEnum):
    """What the client gets once what it asked for is done."""

    NORMAL = "normal"
    UNAVAILABLE = "unavailable"
    CUT = "cut"
    NEVER = "never"
    SLOW = "slow"
    IN_USE = "in_use"


class Difference(StrEnum):
    """What is otherwise than it was asked for: in one answer, or in the books too."""

    AMOUNT = "other_amount"
    CURRENCY = "other_currency"
    REFERENCE = "other_reference"
    STATUS = "unknown_status"


UNKNOWN_STATUS: Final = "requires_action"
"""A status that no client of ours knows the meaning of."""


def otherwise(difference: Difference | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of something that are otherwise, as they then are."""
    match difference:
        case Difference.AMOUNT:
            name = "price_minor" if "price_minor" in said else "amount_minor"
            return {name: said[name] * 100}
        case Difference.CURRENCY:
            return {"currency": "EUR" if said["currency"] == "JPY" else "JPY"}
        case Difference.REFERENCE:
            return {"reference": f"{said['reference']}-other"}
        case Difference.STATUS:
            return {"status": UNKNOWN_STATUS}
        case None:
            return {}


def told(difference: Difference | None, said: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of something, which is as it is but for the difference."""
    return said | otherwise(difference, said)


async def give(request: Request, response: Response, answer: Answer, *, slow_s: float) -> Response:
    """Return the answer, or spoil it.

    Args:
        slow_s: How long a slow one takes.
    """
    match answer:
        case Answer.UNAVAILABLE:
            return unavailable()
        case Answer.CUT:
            cut_connection(request)
        case Answer.NEVER:
            await until_client_gives_up(request)
        case Answer.SLOW:
            await asyncio.sleep(slow_s)
        case Answer.IN_USE:
            return refuse(409, "idempotency_key_in_use", "A call under this key is at work.")
        case Answer.NORMAL:
            pass
    return response


@dataclass(frozen=True, slots=True)
class Chance(Generic[Kind]):
    """How often something goes wrong by chance, whatever the test token.

    Args:
        rate: The part of all requests with an effect that is hit, 0 to 1.
        seed: Makes the choice: the same attempt at the same reference is hit the same way, in
            whatever order requests come.
        kinds: What can happen; each is as likely.
    """

    rate: float = 0.0
    seed: int = 0
    kinds: tuple[Kind, ...] = ()

    def draw(self, reference: str, attempt: int) -> Kind | None:
        """Return what goes wrong with an attempt; None: nothing."""
        if not self.rate or not self.kinds:
            return None
        dice = random.Random(f"{self.seed}:{reference}:{attempt}")  # noqa: S311 - reproducible
        return dice.choice(self.kinds) if dice.random() < self.rate else None


@dataclass(frozen=True, slots=True)
class _ChanceRequest:
    rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: int = 0
    kinds: tuple[str, ...] | None = None


_CHANCE: Final = TypeAdapter(_ChanceRequest)


class FaultControl(Generic[Kind]):
    """Faults by chance, shown and changed at `/control/faults`.

    Args:
        chance: What is in force until it is changed.
        kinds: All that can happen.
        usual: What happens where nobody says; all that can.
    """

    def __init__(
        self, chance: Chance[Kind], kinds: type[Kind], *, usual: Sequence[Kind] | None = None
    ) -> None:
        self._chance = chance
        self._kinds = kinds
        self._usual = tuple(kinds) if usual is None else tuple(usual)
        self._attempts: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/control/faults", self.change, methods=["PUT"]),
            Route("/control/faults", self.show),
        ]

    def draw(self, reference: str, attempt: int) -> Kind | None:
        """Return what goes wrong with an attempt; None: nothing."""
        return self._chance.draw(reference, attempt)

    def draw_next(self, attempted: str) -> Kind | None:
        """Draw for the next attempt at something whose attempts nobody else counts."""
        attempt = self._attempts[attempted]
        self._attempts[attempted] += 1
        return self._chance.draw(attempted, attempt)

    async def show(self, _: Request) -> Response:
        """Tell what goes wrong by chance."""
        return JSONResponse(asdict(self._chance))

    async def change(self, request: Request) -> Response:
        """Change what goes wrong by chance, until the simulator ends."""
        try:
            asked = _CHANCE.validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        names = self._usual if asked.kinds is None else asked.kinds
        try:
            kinds = tuple(self._kinds(name) for name in names)
        except ValueError as error:
            return refuse(400, "invalid_request", f"kinds: {error}")
        self._chance = Chance(asked.rate, asked.seed, kinds)
        return JSONResponse(asdict(self._chance))
