import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from perdure.core.errors import ConfigurationError, InvalidInput, PerdureError, Unauthenticated
from perdure.providers.gateway_callbacks import ToldCharge, verify_callback

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four.").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"another of twenty-four!!").decode()
CONTENT = {
    "type": "charge.succeeded",
    "timestamp": "2026-01-02T03:04:05.678+00:00",
    "data": {
        "id": "ch_1",
        "reference": "pay_1",
        "amount_minor": 1250,
        "currency": "EUR",
        "status": "succeeded",
        "failure_code": None,
        "refunded_minor": 0,
        "a_field_added_later": 1,
    },
}


def signed(
    body: bytes, *, secret: str = SECRET, age: timedelta = timedelta(0), event_id: str = "evt_1"
) -> dict[str, str]:
    moment = datetime.now(UTC) - age
    return {
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(event_id, moment, body.decode()),
    }


def body_of(**changes: object) -> bytes:
    return json.dumps(CONTENT | changes).encode()


def test_a_rightly_signed_callback_is_read() -> None:
    body = body_of()
    event = verify_callback([SECRET], signed(body), body)
    assert event.event_id == "evt_1"
    assert event.type == "charge.succeeded"
    assert event.told == ToldCharge("ch_1", "pay_1", 1250, "EUR", "succeeded")


@pytest.mark.parametrize("signer", [SECRET, NEXT_SECRET])
def test_either_secret_is_taken_while_one_is_replaced(signer: str) -> None:
    body = body_of()
    headers = signed(body, secret=signer)
    assert verify_callback([NEXT_SECRET, SECRET], headers, body).told.reference == "pay_1"


def test_one_of_several_signatures_is_enough() -> None:
    body = body_of()
    headers = signed(body)
    headers["Webhook-Signature"] = f"v1,AAAA v1a,xyz {headers['Webhook-Signature']}"
    assert verify_callback([SECRET], headers, body).event_id == "evt_1"


def code_of(secrets: list[str], headers: dict[str, str], body: bytes) -> str:
    with pytest.raises(PerdureError) as caught:
        verify_callback(secrets, headers, body)
    assert isinstance(caught.value, Unauthenticated)
    return caught.value.code


def test_another_secret_is_refused() -> None:
    body = body_of()
    assert code_of([SECRET], signed(body, secret=NEXT_SECRET), body) == "invalid_signature"


def test_a_changed_body_is_refused() -> None:
    body = body_of()
    tampered = body.replace(b"1250", b"9250")
    assert code_of([SECRET], signed(body), tampered) == "invalid_signature"


def test_a_changed_event_id_is_refused() -> None:
    body = body_of()
    headers = signed(body) | {"Webhook-Id": "evt_2"}
    assert code_of([SECRET], headers, body) == "invalid_signature"


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_callback_signed_at_another_time_is_stale(age: timedelta) -> None:
    body = body_of()
    assert code_of([SECRET], signed(body, age=age), body) == "stale_callback"


@pytest.mark.parametrize("age", [timedelta(minutes=4), timedelta(minutes=-4)])
def test_five_minutes_are_tolerated(age: timedelta) -> None:
    body = body_of()
    assert verify_callback([SECRET], signed(body, age=age), body).event_id == "evt_1"


@pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_missing_header_is_refused(missing: str) -> None:
    body = body_of()
    headers = signed(body)
    del headers[missing]
    assert code_of([SECRET], headers, body) == "invalid_signature"


@pytest.mark.parametrize(
    "signature", ["", "v1", "garbage", "v1,not base64!", "v1,a,b", "v1,é", "v2,AAAA"]
)
def test_garbage_for_a_signature_is_refused(signature: str) -> None:
    body = body_of()
    headers = signed(body) | {"Webhook-Signature": signature}
    assert code_of([SECRET], headers, body) == "invalid_signature"


@pytest.mark.parametrize("timestamp", ["soon", "-1", "nan", "1e400", "²", "1" * 309, "1" * 5000])
def test_garbage_for_a_timestamp_is_refused(timestamp: str) -> None:
    body = body_of()
    headers = signed(body) | {"Webhook-Timestamp": timestamp}
    assert code_of([SECRET], headers, body) == "invalid_signature"


def test_a_body_that_is_no_text_is_refused() -> None:
    assert code_of([SECRET], signed(b"{}"), b"\xff\xfe") == "invalid_signature"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"not json", None),
        (b"[]", None),
        (b"{}", "type"),
        (body_of(type="charge.\x00"), "type"),
        (body_of(type="x" * 3_000), "type"),
        (body_of(data=[]), "data"),
        (body_of(timestamp="2026-01-02T03:04:05"), "timestamp"),
        (body_of(data={"id": "ch_1"}), "data.reference"),
    ],
)
def test_a_signed_body_that_is_no_event_is_invalid(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        verify_callback([SECRET], signed(body), body)
    assert caught.value.code == "malformed_callback"
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["id", "reference", "currency", "status", "failure_code"])
@pytest.mark.parametrize("value", ["a\x00b", "x" * 3_000, "", "a\nb", 1])
def test_what_cannot_be_kept_is_refused_with_the_field(field: str, value: object) -> None:
    body = body_of(data=CONTENT["data"] | {field: value})  # type: ignore[operator]
    with pytest.raises(InvalidInput) as caught:
        verify_callback([SECRET], signed(body), body)
    assert (caught.value.code, caught.value.param) == ("malformed_callback", f"data.{field}")


@pytest.mark.parametrize("amount", [-1, 2**63, 12.5, "1250", True, None])
def test_an_amount_that_is_none_is_refused(amount: object) -> None:
    body = body_of(data=CONTENT["data"] | {"amount_minor": amount})  # type: ignore[operator]
    with pytest.raises(InvalidInput) as caught:
        verify_callback([SECRET], signed(body), body)
    assert caught.value.param == "data.amount_minor"


def test_a_surrogate_is_refused() -> None:
    body = body_of().replace(b"ch_1", b"\\ud800")
    with pytest.raises(InvalidInput) as caught:
        verify_callback([SECRET], signed(body), body)
    assert caught.value.code == "malformed_callback"


def test_an_event_id_that_no_index_holds_is_refused() -> None:
    body = body_of()
    with pytest.raises(InvalidInput) as caught:
        verify_callback([SECRET], signed(body, event_id="e" * 3_000), body)
    assert (caught.value.code, caught.value.param) == ("malformed_callback", "webhook-id")


@pytest.mark.parametrize(
    ("event_type", "data", "told"),
    [
        ("ping", None, ToldCharge()),
        ("payout.arrived", {"id": 7, "reference": ["pay_1"], "more": {}}, ToldCharge()),
        ("charge.refunded", CONTENT["data"], ToldCharge("ch_1", "pay_1", 1250, "EUR", "succeeded")),
        (
            "charge.dispute.created",
            {"id": "dp_1", "reference": "pay_1", "amount_minor": 2**63, "reason": "a\x00b"},
            ToldCharge("dp_1", "pay_1"),
        ),
    ],
)
def test_what_we_do_not_act_on_is_taken_as_far_as_it_can_be_kept(
    event_type: str, data: dict[str, object] | None, told: ToldCharge
) -> None:
    content = CONTENT | {"type": event_type, "data": data}
    body = json.dumps({key: value for key, value in content.items() if value is not None}).encode()
    event = verify_callback([SECRET], signed(body), body)
    assert (event.type, event.is_confirmation) == (event_type, False)
    assert replace(event.told, refunded_minor=None) == told


@pytest.mark.parametrize("secrets", [[], ["whsec_"], ["whsec_a"]])
def test_a_missing_or_broken_secret_is_a_wrong_setting(secrets: list[str]) -> None:
    body = body_of()
    with pytest.raises(ConfigurationError):
        verify_callback(secrets, signed(body), body)
