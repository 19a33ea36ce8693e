from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from pydantic import TypeAdapter

from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.providers.http import ProviderHttp

NUMBER = TypeAdapter(int)

Call = Callable[[ProviderHttp], Awaitable[int]]


async def act(http: ProviderHttp) -> int:
    return await http.act("/things", {"a": 1}, NUMBER, idempotency_key="key-1")


async def read(http: ProviderHttp) -> int:
    return await http.read("/things", NUMBER, params={"reference": "r"})


async def outcome(
    call: Call,
    *,
    status: int = 200,
    body: object = 7,
    headers: dict[str, str] | None = None,
    error: Exception | None = None,
) -> PerdureError:
    """Return what a call raises where the provider answers, or fails, like this."""

    def answer(_: httpx.Request) -> httpx.Response:
        if error is not None:
            raise error
        return httpx.Response(status, json=body, headers=headers)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://provider"
    ) as client:
        with pytest.raises(PerdureError) as caught:
            await call(ProviderHttp(client, "The provider"))
    return caught.value


async def test_an_answer_is_read_and_the_key_is_sent() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=7)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://provider"
    ) as client:
        http = ProviderHttp(client, "The provider")
        assert await act(http) == 7
        assert await read(http) == 7
    assert seen[0].headers["idempotency-key"] == "key-1"
    assert (seen[1].method, seen[1].url.params["reference"]) == ("GET", "r")


@pytest.mark.parametrize("call", [act, read])
@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")],
)
async def test_what_was_never_sent_is_unavailable(call: Call, error: Exception) -> None:
    assert type(await outcome(call, error=error)) is ProviderUnavailable


SENT = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("cut"),
    httpx.WriteError("cut"),
    httpx.RemoteProtocolError("cut"),
]


@pytest.mark.parametrize("error", SENT)
async def test_an_act_that_was_sent_and_not_answered_is_unknown(error: Exception) -> None:
    found = await outcome(act, error=error)
    assert isinstance(found, ProviderOutcomeUnknown)
    assert found.in_flight


@pytest.mark.parametrize("error", SENT)
async def test_a_read_that_is_not_answered_is_unavailable(error: Exception) -> None:
    assert type(await outcome(read, error=error)) is ProviderUnavailable


@pytest.mark.parametrize(
    ("status", "in_flight"), [(500, False), (503, False), (502, True), (504, True), (408, True)]
)
async def test_a_server_error_says_nothing_about_an_act(status: int, in_flight: bool) -> None:
    found = await outcome(act, status=status)
    assert isinstance(found, ProviderOutcomeUnknown)
    assert found.in_flight is in_flight


async def test_a_server_error_may_say_when_to_ask() -> None:
    found = await outcome(act, status=503, headers={"Retry-After": "7"})
    assert isinstance(found, ProviderOutcomeUnknown)
    assert found.retry_after_s == 7


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 408, 500, 502, 503, 504])
async def test_no_such_status_answers_a_question(status: int) -> None:
    # A 404 above all: taken for "never seen", it would have the effect made twice.
    assert type(await outcome(read, status=status)) is ProviderUnavailable


@pytest.mark.parametrize("call", [act, read])
async def test_too_many_requests_says_how_long_to_wait(call: Call) -> None:
    found = await outcome(call, status=429, headers={"Retry-After": "12"})
    assert isinstance(found, ProviderRateLimited)
    assert found.retry_after_s == 12


async def test_the_wait_may_be_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    found = await outcome(act, status=429, headers={"Retry-After": moment})
    assert isinstance(found, ProviderRateLimited)
    assert 0 < found.retry_after_s <= 60


@pytest.mark.parametrize("value", ["", "soon", "-5"])
async def test_a_wait_that_makes_no_sense_is_a_second(value: str) -> None:
    found = await outcome(act, status=429, headers={"Retry-After": value})
    assert isinstance(found, ProviderRateLimited)
    assert found.retry_after_s == 1


async def test_a_decline_carries_the_providers_code() -> None:
    body = {"error": {"code": "card_declined", "message": "No."}}
    found = await outcome(act, status=402, body=body)
    assert isinstance(found, ProviderDeclined)
    assert (found.code, found.message) == ("card_declined", "No.")


@pytest.mark.parametrize("body", [None, [], "no", {"error": "no"}, {"error": {}}])
async def test_a_decline_without_a_code_is_still_one(body: object) -> None:
    found = await outcome(act, status=402, body=body)
    assert isinstance(found, ProviderDeclined)
    assert found.code == "provider_declined"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422])
async def test_a_rejected_act_is_not_repeated(status: int) -> None:
    body = {"error": {"code": "bad_currency", "message": "Not taken."}}
    found = await outcome(act, status=status, body=body)
    assert isinstance(found, InvalidInput)
    assert found.code == "provider_rejected_request"
    assert "bad_currency" in found.message


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_wrong_question_is_not_repeated(status: int) -> None:
    found = await outcome(read, status=status)
    assert isinstance(found, InvalidInput)
    assert found.code == "provider_rejected_request"


async def test_an_act_with_an_answer_that_makes_no_sense_is_unknown() -> None:
    found = await outcome(act, body={"not": "a number"})
    assert isinstance(found, ProviderOutcomeUnknown)
    assert not found.in_flight


async def test_a_read_with_an_answer_that_makes_no_sense_is_unavailable() -> None:
    assert type(await outcome(read, body={"not": "a number"})) is ProviderUnavailable
