"""The client asks again, with the same key, until it has an answer that will not change."""

from collections.abc import Callable

import httpx
import pytest

from perdure.chaos.client import PersistentClient
from perdure.chaos.seen import Seen

Answer = httpx.Response | Exception


def error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code}})


class Api:
    """Gives the answers it is told to, in turn, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer), base_url="http://api")
        self.client = PersistentClient(http)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.requests]


CREATED: Callable[[], httpx.Response] = lambda: httpx.Response(201, json={"id": "pay_1"})  # noqa: E731


@pytest.mark.parametrize(
    "no_answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("late"),
        error(503, "database_unavailable"),
        error(409, "idempotency_key_in_use"),
        httpx.Response(502, text="not JSON"),
    ],
    ids=repr,
)
async def test_what_is_no_answer_is_asked_again_with_the_same_key(no_answer: Answer) -> None:
    api, seen = Api(no_answer, CREATED()), Seen()
    await api.client.make("/v1/payments", {}, "key-1", seen)
    assert seen == Seen(["pay_1"])
    assert api.keys == ["key-1", "key-1"]
    assert api.client.retries == 1


@pytest.mark.parametrize(
    "answer", [error(402, "insufficient_funds"), error(500, "internal_error")], ids=repr
)
async def test_an_answer_that_is_kept_is_taken(answer: httpx.Response) -> None:
    api, seen = Api(answer), Seen()
    await api.client.make("/v1/payments", {}, "key-1", seen)
    assert seen == Seen(refusals=[answer.json()["error"]["code"]])
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (httpx.Response(200, json={}), "accepted"),
        (error(409, "not_cancellable"), "refused"),
        (error(500, "internal_error"), "internal_error"),
    ],
)
async def test_the_answer_to_a_cancellation_is_noted(answer: httpx.Response, noted: str) -> None:
    api, seen = Api(httpx.ReadError("reset"), answer), Seen()
    await api.client.cancel("/v1/payments", "pay_1", seen)
    assert seen.cancellation == noted
    assert api.requests[-1].url.path == "/v1/payments/pay_1/cancel"
