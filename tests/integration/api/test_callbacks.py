"""`/v1/callbacks/gateway`: signed, kept, and passed on once."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from perdure.bootstrap import Platform
from perdure.config import Settings
from perdure.core.clock import utc_now
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GatewayCallback
from perdure.storage.pool import Pool

from .api_client import Api, created, ok, refused
from .conftest import CALLBACK_SECRET, api_on

PATH = "/v1/callbacks/gateway"


@dataclass
class RecordingSignaller:
    """Takes the place of the engine."""

    sent: list[tuple[str, str, object]] = field(default_factory=list)

    async def signal(self, operation_id: str, name: str, argument: object) -> bool:
        self.sent.append((operation_id, name, argument))
        return True


@pytest.fixture
def signaller() -> RecordingSignaller:
    return RecordingSignaller()


@pytest.fixture
async def gateway_api(
    platform: Platform,
    admin_secret: str,
    signaller: RecordingSignaller,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Api]:
    monkeypatch.setattr(platform.kinds.own(GatewayCallbacks), "_signaller", signaller)
    async with api_on(platform, admin_secret) as api:
        yield api


def signed(
    body: str, *, secret: str = CALLBACK_SECRET, event_id: str = "", age: timedelta = timedelta()
) -> dict[str, str]:
    event_id, at = event_id or f"evt_{uuid4().hex}", utc_now() - age
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }


def callback(reference: str) -> str:
    return json.dumps(
        {
            "type": "charge.succeeded",
            "timestamp": utc_now().isoformat(),
            "data": {
                "id": "ch_1",
                "reference": reference,
                "amount_minor": 1000,
                "currency": "USD",
                "status": "succeeded",
                "failure_code": None,
                "refunded_minor": 0,
            },
        }
    )


async def send(api: Api, body: str, headers: dict[str, str]) -> httpx.Response:
    return await api.http.post(PATH, content=body, headers=headers)


async def test_a_confirmation_reaches_its_payment_once(
    gateway_api: Api, signaller: RecordingSignaller
) -> None:
    payment_id = created(await gateway_api.pay(await gateway_api.new_wallet(5000)))["id"]
    body = callback(payment_id)
    headers = signed(body)
    receipt = {"object": "callback_receipt", "received": True, "payment_id": payment_id}
    assert ok(await send(gateway_api, body, headers)) == receipt | {"duplicate": False}
    assert ok(await send(gateway_api, body, headers)) == receipt | {"duplicate": True}
    [(operation_id, name, argument)] = signaller.sent
    assert (operation_id, name) == (payment_id, "gateway_callback")
    assert isinstance(argument, GatewayCallback)
    assert argument.charge.status == "succeeded"


async def test_a_confirmation_of_an_unknown_payment_is_kept(
    gateway_api: Api, pool: Pool, signaller: RecordingSignaller
) -> None:
    body = callback("pay_01h455vb4pex5vsknk084sn02q")
    answer = await send(gateway_api, body, signed(body, event_id="evt_unknown"))
    assert (answer.status_code, answer.json()["payment_id"]) == (202, None)
    assert signaller.sent == []
    assert await pool.fetchval(
        "SELECT count(*) FROM provider_callbacks WHERE event_id = 'evt_unknown'"
    )


async def test_a_forged_confirmation_is_refused(
    gateway_api: Api, signaller: RecordingSignaller
) -> None:
    payment_id = created(await gateway_api.pay(await gateway_api.new_wallet(5000)))["id"]
    body = callback(payment_id)
    other_secret = "whsec_" + "QUJD" * 8
    forged = {
        "not signed": {},
        "another secret": signed(body, secret=other_secret),
        "another body": signed(callback("pay_2")),
        "another id": signed(body) | {"webhook-id": "evt_other"},
        "garbage": signed(body) | {"webhook-signature": "v1,????"},
    }
    for how, headers in forged.items():
        answer = await send(gateway_api, body, headers)
        assert answer.status_code == 401, how
        refused(answer, 401, "invalid_signature")
    assert signaller.sent == []


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-6)])
async def test_a_confirmation_signed_at_another_time_is_refused(
    gateway_api: Api, age: timedelta
) -> None:
    body = callback("pay_1")
    refused(await send(gateway_api, body, signed(body, age=age)), 401, "stale_callback")


async def test_what_is_signed_but_no_event_is_refused(gateway_api: Api) -> None:
    for body in ("{}", "[]", "not json", json.dumps({"type": "charge.succeeded"})):
        answer = await send(gateway_api, body, signed(body))
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "malformed_callback"


async def test_the_next_secret_is_taken_while_the_old_one_still_is(
    platform: Platform, settings: Settings, admin_secret: str
) -> None:
    next_secret = "whsec_" + "QUJD" * 8
    secrets = [SecretStr(next_secret), SecretStr(CALLBACK_SECRET)]
    both = settings.model_copy(update={"gateway_callback_secrets": secrets})
    body = callback("pay_01h455vb4pex5vsknk084sn02q")
    async with api_on(replace(platform, settings=both), admin_secret) as api:
        for secret in (next_secret, CALLBACK_SECRET):
            answer = await send(api, body, signed(body, secret=secret))
            assert answer.status_code == 202, answer.text


async def test_a_server_without_a_secret_takes_no_callback_and_tells_nobody_why(
    platform: Platform, settings: Settings, admin_secret: str
) -> None:
    none = settings.model_copy(update={"gateway_callback_secrets": []})
    body = callback("pay_1")
    async with api_on(replace(platform, settings=none), admin_secret) as api:
        refused(await send(api, body, signed(body)), 500, "internal_error")
