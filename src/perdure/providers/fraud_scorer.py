"""The fraud scorer: asked about a payment, answers how suspicious it is."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, Self

import aiohttp
from pydantic import Field, TypeAdapter

from perdure.core.errors import InvalidInput
from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.credentials import HttpSettings
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.simulator import Listener, Simulator

VERDICTS: Final = frozenset({"pass", "fail"})


@dataclass(frozen=True, slots=True)
class FraudScore:
    """The judgement.

    Args:
        reference: Ours: what was judged.
        verdict: One of `VERDICTS`, as far as we know.
        score: 0 (no suspicion) to 100.
        reasons: The scorer's codes.
    """

    reference: str
    verdict: str
    score: Annotated[int, Field(ge=0, le=100)]
    reasons: tuple[str, ...] = ()


class FraudScorer(Protocol):
    """What Perdure needs of a scorer."""

    async def score(
        self,
        *,
        reference: str,
        customer_id: str,
        amount_minor: int,
        currency: str,
        payment_method: str,
    ) -> FraudScore:
        """Judge a payment; asking again changes nothing.

        Raises:
            ProviderUnavailable, ProviderRateLimited: No answer; ask again later.
            InvalidInput: `provider_rejected_request`: the question is wrong.
        """
        ...


async def _ask(scorer: FraudScorer) -> None:
    # One that finds the question wrong has taken our credentials, and answers.
    with suppress(InvalidInput):
        await scorer.score(
            reference=ASKED_BY_DOCTOR,
            customer_id=ASKED_BY_DOCTOR,
            amount_minor=1,
            currency="USD",
            payment_method=ASKED_BY_DOCTOR,
        )


FRAUD_SCORER_ROLE: Final[Role[FraudScorer]] = Role(
    "fraud_scorer",
    FraudScorer,
    {"http": "perdure.providers.fraud_scorer:HttpFraudScorer"},
    default="http",
    ask=_ask,
    simulator=Simulator(
        name="fraud-scorer",
        commands={"fraud-scorer": "perdure.simulators.commands:fraud_scorer"},
        listens=(Listener("fraud_scorer_port", 8102),),
        keeps_books=False,
    ),
)

_SCORE: Final = TypeAdapter(FraudScore)


class HttpFraudScorer:
    """A scorer over HTTP.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
    """

    settings_type = HttpSettings

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._http = ProviderHttp(
            client, "The fraud scorer", simulated_by=FRAUD_SCORER_ROLE.simulated_as()
        )

    @classmethod
    def from_settings(cls, settings: HttpSettings, host: ProviderHost) -> Self:
        """Return the scorer at a URL."""
        return cls(host.http(settings))

    async def score(
        self,
        *,
        reference: str,
        customer_id: str,
        amount_minor: int,
        currency: str,
        payment_method: str,
    ) -> FraudScore:
        """Judge a payment; see `FraudScorer.score`."""
        body = {
            "reference": reference,
            "customer_id": customer_id,
            "amount_minor": amount_minor,
            "currency": currency,
            "payment_method": payment_method,
        }
        return await self._http.read("/v1/scores", _SCORE, body=body)
