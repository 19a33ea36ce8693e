"""Answers that say little, too much, or what cannot be kept."""

import asyncio
import json

import pytest
from pydantic import TypeAdapter

from perdure.core.errors import (
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.providers.http import ProviderHttp
from perdure.providers.http_client import open_http_client
from perdure.providers.sms import HttpSmsSender

from .calls import LONG_S, act
from .raw_server import Conversation, answer, answering, serve

DOCUMENTED = frozenset({"refund_exceeds_charge"})


def refusal(code: int, body: object) -> Conversation:
    return answering(answer(json.dumps(body).encode(), status=code))


async def failure(conversation: Conversation) -> PerdureError:
    """Return what a call that acts raises where the provider answers like this."""
    async with (
        serve(conversation) as server,
        open_http_client(server.url, timeout_s=LONG_S) as client,
    ):
        with pytest.raises(PerdureError) as caught:
            await act(ProviderHttp(client, "It", refusals=DOCUMENTED))
        return caught.value


@pytest.mark.parametrize("code", [409, 423, 425])
def test_an_act_that_meets_another_like_it_is_unknown(runner: asyncio.Runner, code: int) -> None:
    body = {"error": {"code": "idempotency_key_in_use", "message": "Still at work."}}
    found = runner.run(failure(refusal(code, body)))
    assert isinstance(found, ProviderOutcomeUnknown)
    assert (found.code, found.in_flight) == ("provider_call_under_way", True)
    assert "idempotency_key_in_use" in found.message


@pytest.mark.parametrize("code", [400, 404, 409, 422])
def test_a_refusal_that_the_provider_documents_is_a_no_with_any_status(
    runner: asyncio.Runner, code: int
) -> None:
    body = {"error": {"code": "refund_exceeds_charge", "message": "Less is left."}}
    found = runner.run(failure(refusal(code, body)))
    assert isinstance(found, ProviderDeclined)
    assert (found.code, found.message) == ("refund_exceeds_charge", "Less is left.")


UNSTORABLE = {
    b'{"id": "ch_\\u0000"}': "ch_\ufffd",
    b'{"id": "ch_\\ud800"}': "ch_\ufffd",
    b'{"id": "\\ud83d\\ude00"}': "\U0001f600",
    b'{"id": "\\\\u0000"}': "\\u0000",
    b'{"id": "%s"}' % (b"x" * 3_000): "x" * 999 + "…",
    b'{"id": "%s"}' % (b"x" * 1_000): "x" * 1_000,
}


@pytest.mark.parametrize(("body", "id_"), UNSTORABLE.items())
def test_what_the_database_cannot_hold_is_replaced(
    runner: asyncio.Runner, body: bytes, id_: str
) -> None:
    async def told() -> tuple[dict[str, str], dict[str, str]]:
        things = TypeAdapter(dict[str, str])
        async with (
            serve(answering(answer(body))) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            http = ProviderHttp(client, "It")
            return await http.act("/things", {}, things), await http.read("/things", things)

    assert runner.run(told()) == ({"id": id_}, {"id": id_})


def test_a_declines_message_is_one_that_can_be_kept(runner: asyncio.Runner) -> None:
    body = {"error": {"code": "no\0", "message": "x" * 100_000}}
    found = runner.run(failure(refusal(402, body)))
    assert found.code == "no\ufffd"
    assert len(found.message) == 1_000


def test_a_text_that_is_told_of_under_another_reference_is_not_known_to_be_sent(
    runner: asyncio.Runner,
) -> None:
    other = b'{"id": "msg_1", "reference": "ntf_2"}'
    listed = b'{"data": [%s]}' % other

    async def told() -> None:
        async with (
            serve(answering(answer(other), answer(listed), answer(listed))) as server,
            open_http_client(server.url, timeout_s=LONG_S) as client,
        ):
            sms = HttpSmsSender(client)
            with pytest.raises(ProviderOutcomeUnknown, match="'ntf_2' instead of 'ntf_1'"):
                await sms.send(reference="ntf_1", to="+15550100", text="Hello")
            with pytest.raises(ProviderUnavailable, match="other texts"):
                await sms.was_sent("ntf_1")
            assert await sms.was_sent("ntf_2")

    runner.run(told())
