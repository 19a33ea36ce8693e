"""A fraud scorer: judges at once or after a while, and fails on demand.

It changes nothing outside, so it keeps no books.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity
from perdure.simulators.http_server import invalid, serve_http, unavailable

SCORE_FAIL: Final = 95
_SCORE_PASS_MAX: Final = 40
_MINOR_PER_POINT: Final = 25_000
_FLAKY_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class FraudScorerSettings:
    """How the scorer is run.

    Args:
        port: 0: any that is free.
        delay_s: How long a judgement takes.
        slow_s: How long it takes for `tok_fraud_slow`.
        fail_from_minor: Amounts from here on fail; None: no amount does.
    """

    host: str = "127.0.0.1"
    port: int = 8102
    delay_s: float = 0.05
    slow_s: float = 2.0
    fail_from_minor: int | None = None


class ScoreRequest(BaseModel, strict=True):
    """The body of `POST /v1/scores`."""

    reference: Annotated[str, Field(min_length=1, max_length=200)]
    customer_id: str
    amount_minor: Annotated[int, Field(gt=0, lt=2**63)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    payment_method: str


@asynccontextmanager
async def open_fraud_scorer(settings: FraudScorerSettings) -> AsyncIterator[int]:
    """Run the scorer while the context is open; yields its port.

    Raises:
        ConfigurationError: The port is taken.
    """
    scorer = FraudScorer(settings)
    identity = Identity("fraud-scorer")
    async with serve_http(
        scorer.routes(), host=settings.host, port=settings.port, identity=identity
    ) as port:
        yield port


class FraudScorer:
    """The scorer's routes.

    Args:
        settings: How it is run.
    """

    def __init__(self, settings: FraudScorerSettings) -> None:
        self._settings = settings
        self._attempts: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/scores", self.score, methods=["POST"]),
            Route("/v1/totals", self.show_totals),
        ]

    async def score(self, request: Request) -> Response:
        """Judge, or misbehave as the payment method asks."""
        try:
            asked = ScoreRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        slow = asked.payment_method == "tok_fraud_slow"
        await asyncio.sleep(self._settings.slow_s if slow else self._settings.delay_s)
        if asked.payment_method == "tok_fraud_down":
            return unavailable()
        if asked.payment_method == "tok_fraud_flaky":
            self._attempts[asked.reference] += 1
            if self._attempts[asked.reference] <= _FLAKY_FIRST:
                return unavailable()
        verdict = self._judge(asked)
        self._verdicts[verdict["verdict"]] += 1
        elsewhere = asked.payment_method == "tok_fraud_other_reference"
        reference = f"{asked.reference}-other" if elsewhere else asked.reference
        return JSONResponse({"reference": reference, **verdict})

    async def show_totals(self, _: Request) -> Response:
        """Tell how many were judged which way."""
        return JSONResponse({"pass": self._verdicts["pass"], "fail": self._verdicts["fail"]})

    def _judge(self, asked: ScoreRequest) -> dict[str, Any]:
        limit = self._settings.fail_from_minor
        if asked.payment_method == "tok_fraud":
            return {"verdict": "fail", "score": SCORE_FAIL, "reasons": ["stolen_payment_method"]}
        if asked.payment_method == "tok_fraud_review":
            return {"verdict": "review", "score": SCORE_FAIL, "reasons": ["a_person_looks"]}
        if limit is not None and asked.amount_minor >= limit:
            return {"verdict": "fail", "score": SCORE_FAIL, "reasons": ["amount_too_high"]}
        score = min(asked.amount_minor // _MINOR_PER_POINT, _SCORE_PASS_MAX)
        return {"verdict": "pass", "score": score, "reasons": []}
