"""What each way to answer, or not to, is taken for: over real connections, on both event loops."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple

import aiohttp
import pytest

from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.providers.http_client import open_http_client

from .calls import LONG_S, Call, act, ask, failure_of, read
from .raw_server import (
    Conversation,
    RawServer,
    answer,
    answering,
    close,
    hang,
    later,
    reset,
    serve,
    trickling,
    without_reading,
)

SHORT_S = 0.2


class Outcome(NamedTuple):
    """What a call raised, and how many requests reached the server."""

    error: PerdureError
    requests: int


READS = [read, ask]
CALLS = [act, *READS]


async def failure(call: Call, url: str, *, timeout_s: float = LONG_S) -> PerdureError:
    """Return what a call to this URL raises."""
    async with open_http_client(url, timeout_s=timeout_s) as client:
        return await failure_of(call, client)


async def outcome(call: Call, conversation: Conversation, *, timeout_s: float = LONG_S) -> Outcome:
    """Return what a call raises where the provider answers, or does not, like this."""
    async with serve(conversation) as server:
        error = await failure(call, server.url, timeout_s=timeout_s)
        return Outcome(error, len(server.requests))


def status(code: int, body: object = 7, **headers: str) -> Conversation:
    """Answer with a status; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answering(answer(json.dumps(body).encode(), status=code, headers=named))


# Not sent.


@pytest.mark.parametrize("call", CALLS)
def test_a_refused_connection_is_unavailable(runner: asyncio.Runner, call: Call) -> None:
    async def refused() -> PerdureError:
        async with serve(without_reading) as server:
            url = server.url
        return await failure(call, url)

    assert type(runner.run(refused())) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_host_is_unavailable(runner: asyncio.Runner, call: Call) -> None:
    error = runner.run(failure(call, "http://provider.invalid"))
    assert type(error) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_speaks_no_tls_is_unavailable(runner: asyncio.Runner, call: Call) -> None:
    async def plain(_: RawServer, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def over_tls() -> PerdureError:
        async with serve(plain) as server:
            return await failure(call, server.url.replace("http", "https"))

    assert type(runner.run(over_tls())) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("then", [close, reset])
def test_a_handshake_that_is_cut_is_unavailable(
    runner: asyncio.Runner, call: Call, then: Callable[..., Awaitable[None]]
) -> None:
    async def cut(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        await then(server, writer)

    async def over_tls() -> PerdureError:
        async with serve(cut) as server:
            return await failure(call, server.url.replace("http", "https"))

    assert type(runner.run(over_tls())) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
def test_a_time_out_while_connecting_is_unavailable(runner: asyncio.Runner, call: Call) -> None:
    async def over_tls() -> PerdureError:
        async with serve(without_reading) as server:  # the handshake is part of connecting
            url = server.url.replace("http", "https")
            return await failure(call, url, timeout_s=SHORT_S)

    assert type(runner.run(over_tls())) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
def test_a_time_out_while_all_connections_are_taken_is_unavailable(
    runner: asyncio.Runner, call: Call
) -> None:
    async def crowded() -> tuple[PerdureError, RawServer]:
        async with (
            serve(answering(b"", then=hang)) as server,
            open_http_client(server.url, timeout_s=SHORT_S, connections_max=1) as client,
        ):
            taking = asyncio.ensure_future(client.get("", timeout=aiohttp.ClientTimeout()))
            await server.asked.wait()
            error = await failure_of(call, client)
            taking.cancel()
            return error, server

    error, server = runner.run(crowded())
    assert type(error) is ProviderUnavailable
    assert len(server.requests) == 1


# Sent, and not answered.

CUT = answer(b"7", headers={"Content-Length": "100"})
ENDLESS = answer(b"7", headers={"Content-Length": "1000000"})
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NOT_ANSWERED = {
    "nothing, then a time-out": answering(b"", then=hang),
    "a part of the head, then a time-out": answering(b"HTTP/1.1 200 OK\r\nCont", then=hang),
    "a part of the body, then a time-out": answering(CUT, then=hang),
    "nothing, and the end": answering(b"", then=close),
    "nothing, and a reset": answering(b"", then=reset),
    "a part of the head, and the end": answering(b"HTTP/1.1 200 OK\r\nCont", then=close),
    "a part of the body, and the end": answering(CUT, then=close),
    "a part of the body, and a reset": answering(CUT, then=reset),
    "a part of the chunks, and the end": answering(CHUNKED_HEAD + b"5\r\n123", then=close),
    "no HTTP": answering(b"220 mail.example ESMTP\r\n", then=hang),
    "a length that is none": answering(answer(headers={"Content-Length": "many"}), then=hang),
    "a head without end": answering(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000, then=hang),
    "chunks of no size": answering(CHUNKED_HEAD + b"many\r\n7\r\n0\r\n\r\n", then=hang),
    "chunks of no size, after the head": answering(CHUNKED_HEAD, then=later(b"many\r\n")),
    "an answer without end": answering(ENDLESS, then=trickling(b" ", SHORT_S / 5)),
    "a body that does not unpack": answering(
        answer(b"not gzip", headers={"Content-Encoding": "gzip"}), then=hang
    ),
    "a switch to something else": answering(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", then=hang
    ),
}
not_answered = pytest.mark.parametrize(
    "conversation", NOT_ANSWERED.values(), ids=NOT_ANSWERED.keys()
)


@not_answered
def test_an_act_that_was_sent_and_not_answered_is_unknown_and_was_sent_once(
    runner: asyncio.Runner, conversation: Conversation
) -> None:
    found = runner.run(outcome(act, conversation, timeout_s=SHORT_S))
    assert isinstance(found.error, ProviderOutcomeUnknown)
    assert found.requests == 1


@not_answered
@pytest.mark.parametrize("call", READS)
def test_a_read_that_is_not_answered_is_unavailable(
    runner: asyncio.Runner, call: Call, conversation: Conversation
) -> None:
    found = runner.run(outcome(call, conversation, timeout_s=SHORT_S))
    assert type(found.error) is ProviderUnavailable


def test_an_act_may_still_be_in_flight_after_a_time_out(runner: asyncio.Runner) -> None:
    found = runner.run(outcome(act, answering(b"", then=hang), timeout_s=SHORT_S))
    assert isinstance(found.error, ProviderOutcomeUnknown)
    assert found.error.in_flight


# Answered.


@pytest.mark.parametrize(
    ("code", "in_flight"),
    [(500, False), (501, False), (503, False), (502, True), (504, True), (599, True), (408, True)],
)
def test_a_server_error_says_nothing_about_an_act(
    runner: asyncio.Runner, code: int, in_flight: bool
) -> None:
    found = runner.run(outcome(act, status(code)))
    assert isinstance(found.error, ProviderOutcomeUnknown)
    assert found.error.in_flight is in_flight
    assert found.requests == 1


def test_a_server_error_may_say_when_to_ask(runner: asyncio.Runner) -> None:
    found = runner.run(outcome(act, status(503, Retry_After="7")))
    assert isinstance(found.error, ProviderOutcomeUnknown)
    assert found.error.retry_after_s == 7


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("code", [301, 304, 402, 404, 408, 500, 502, 503, 504])
def test_no_such_status_answers_a_question(runner: asyncio.Runner, call: Call, code: int) -> None:
    # A 404 above all: taken for "never seen", it would have the effect made twice.
    assert type(runner.run(outcome(call, status(code))).error) is ProviderUnavailable


@pytest.mark.parametrize("call", CALLS)
def test_too_many_requests_says_how_long_to_wait(runner: asyncio.Runner, call: Call) -> None:
    found = runner.run(outcome(call, status(429, Retry_After="12")))
    assert isinstance(found.error, ProviderRateLimited)
    assert found.error.retry_after_s == 12
    assert found.requests == 1


def test_the_wait_may_be_a_date(runner: asyncio.Runner) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    found = runner.run(outcome(act, status(429, Retry_After=moment)))
    assert isinstance(found.error, ProviderRateLimited)
    assert found.error.asked_wait_s in range(59, 61)


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("code", [404, 500, 503])
def test_a_question_that_is_not_answered_may_say_when_to_ask_again(
    runner: asyncio.Runner, call: Call, code: int
) -> None:
    found = runner.run(outcome(call, status(code, Retry_After="120")))
    assert isinstance(found.error, ProviderUnavailable)
    assert found.error.asked_wait_s == 120


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("20.5", 21),
        ("0.2", 1),
        ("0", 0),
        ("7200", 7200),
        ("86400", 86_400),
        ("9" * 400, 31_622_400),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_a_wait_is_as_long_as_the_provider_says(
    runner: asyncio.Runner, code: int, value: str, wait_s: float
) -> None:
    found = runner.run(outcome(act, status(code, Retry_After=value)))
    assert isinstance(found.error, ProviderError)
    assert found.error.asked_wait_s == wait_s


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e3", "nan", "\u0662"])
def test_a_wait_that_makes_no_sense_is_a_second(runner: asyncio.Runner, value: str) -> None:
    found = runner.run(outcome(act, status(429, Retry_After=value)))
    assert isinstance(found.error, ProviderRateLimited)
    assert found.error.retry_after_s == 1


def test_a_decline_carries_the_providers_code(runner: asyncio.Runner) -> None:
    body = {"error": {"code": "card_declined", "message": "No."}}
    found = runner.run(outcome(act, status(402, body))).error
    assert isinstance(found, ProviderDeclined)
    assert (found.code, found.message) == ("card_declined", "No.")


@pytest.mark.parametrize("body", [None, [], "no", {"error": "no"}, {"error": {}}])
def test_a_decline_without_a_code_is_still_one(runner: asyncio.Runner, body: object) -> None:
    found = runner.run(outcome(act, status(402, body))).error
    assert isinstance(found, ProviderDeclined)
    assert found.code == "provider_declined"


@pytest.mark.parametrize("code", [301, 307, 400, 404, 422])
def test_a_rejected_act_is_not_repeated(runner: asyncio.Runner, code: int) -> None:
    body = {"error": {"code": "bad_currency", "message": "Not taken."}}
    found = runner.run(outcome(act, status(code, body, Location="/elsewhere")))
    assert isinstance(found.error, InvalidInput)
    assert found.error.code == "provider_rejected_request"
    assert "bad_currency" in found.error.message
    assert found.requests == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [401, 403, 407])
def test_who_does_not_know_us_did_nothing_and_is_as_if_away(
    runner: asyncio.Runner, call: Call, code: int
) -> None:
    body = {"error": {"code": "no_such_key", "message": "No key hunter2."}}
    found = runner.run(outcome(call, status(code, body))).error
    assert type(found) is ProviderUnavailable
    assert found.code == "provider_refuses_credentials"
    assert f"({code} no_such_key)" in found.message
    assert "hunter2" not in found.message


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("code", [400, 409, 422])
def test_a_wrong_question_is_not_repeated(runner: asyncio.Runner, call: Call, code: int) -> None:
    found = runner.run(outcome(call, status(code))).error
    assert isinstance(found, InvalidInput)
    assert found.code == "provider_rejected_request"


SENSELESS = [b'{"not": "a number"}', b"{", b"", b"<html>", b"\xff"]


@pytest.mark.parametrize("body", SENSELESS)
def test_an_act_with_an_answer_that_makes_no_sense_is_unknown(
    runner: asyncio.Runner, body: bytes
) -> None:
    found = runner.run(outcome(act, answering(answer(body)))).error
    assert isinstance(found, ProviderOutcomeUnknown)
    assert not found.in_flight


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("body", SENSELESS)
def test_a_read_with_an_answer_that_makes_no_sense_is_unavailable(
    runner: asyncio.Runner, call: Call, body: bytes
) -> None:
    found = runner.run(outcome(call, answering(answer(body)))).error
    assert type(found) is ProviderUnavailable
