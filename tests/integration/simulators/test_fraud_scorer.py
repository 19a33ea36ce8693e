from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from perdure.core.errors import InvalidInput, ProviderUnavailable
from perdure.providers.fraud_scorer import FraudScore, HttpFraudScorer
from perdure.providers.http_client import open_http_client
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer


@dataclass(frozen=True, slots=True)
class Provider:
    """A scorer that runs in this process, with our client of it."""

    client: HttpFraudScorer
    http: httpx.AsyncClient


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    settings = FraudScorerSettings(port=0, delay_s=0.0, slow_s=3.0, fail_from_minor=900_000)
    async with open_fraud_scorer(settings) as port:
        url = f"http://127.0.0.1:{port}"
        async with (
            open_http_client(url, timeout_s=1) as client,
            httpx.AsyncClient(base_url=url) as http,
        ):
            yield Provider(HttpFraudScorer(client), http)


async def score(provider: Provider, payment_method: str, *, amount_minor: int = 1250) -> FraudScore:
    return await provider.client.score(
        reference="pay_1",
        customer_id="cus_1",
        amount_minor=amount_minor,
        currency="EUR",
        payment_method=payment_method,
    )


async def test_the_verdict_follows_from_token_and_amount(provider: Provider) -> None:
    assert await score(provider, "tok_ok") == FraudScore("pay_1", "pass", 0)
    assert await score(provider, "tok_fraud") == FraudScore(
        "pay_1", "fail", 95, ("stolen_payment_method",)
    )
    assert (await score(provider, "tok_ok", amount_minor=899_999)).verdict == "pass"
    assert await score(provider, "tok_ok", amount_minor=900_000) == FraudScore(
        "pay_1", "fail", 95, ("amount_too_high",)
    )
    assert (await provider.http.get("/v1/totals")).json() == {"pass": 2, "fail": 2}


async def test_a_flaky_scorer_answers_the_third_time(provider: Provider) -> None:
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await score(provider, "tok_fraud_flaky")
    assert (await score(provider, "tok_fraud_flaky")).verdict == "pass"


@pytest.mark.parametrize("token", ["tok_fraud_down", "tok_fraud_slow"])
async def test_a_scorer_that_is_down_or_too_slow_is_unavailable(
    provider: Provider, token: str
) -> None:
    with pytest.raises(ProviderUnavailable):
        await score(provider, token)


async def test_a_wrong_question_is_rejected(provider: Provider) -> None:
    with pytest.raises(InvalidInput) as caught:
        await score(provider, "tok_ok", amount_minor=0)
    assert caught.value.code == "provider_rejected_request"


async def test_it_tells_that_it_is_ready(provider: Provider) -> None:
    assert (await provider.http.get("/healthz")).status_code == 200
