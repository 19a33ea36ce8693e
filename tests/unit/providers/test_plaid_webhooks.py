"""Who sent a webhook: what is believed, and what is not."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from perdure.core.errors import InvalidInput, Unauthenticated
from perdure.providers.aggregator import AggregatorEvent, EventKind
from perdure.providers.http import _exactly
from perdure.providers.plaid_webhooks import Jwk, PlaidWebhooks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
_POINT = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
JWK = Jwk("EC", "P-256", "ES256", "key-1", _POINT["x"], _POINT["y"])
UPDATES = {
    "webhook_type": "TRANSACTIONS",
    "webhook_code": "SYNC_UPDATES_AVAILABLE",
    "item_id": "item-1",
}
BODY = json.dumps(UPDATES, indent=2).encode()


class Keys:
    """Plaid's keys, and which were asked for."""

    def __init__(self, *keys: Jwk) -> None:
        self.keys = {key.kid: key for key in keys}
        self.asked: list[str] = []

    async def key_of(self, kid: str) -> Jwk | None:
        self.asked.append(kid)
        return self.keys.get(kid)


def token(
    body: bytes = BODY,
    *,
    key: Any = KEY,
    kid: str = "key-1",
    alg: str = "ES256",
    **claims: Any,
) -> str:
    said = {
        "iat": int(NOW.timestamp()),
        "request_body_sha256": hashlib.sha256(body).hexdigest(),
        **claims,
    }
    return jwt.encode(said, key, alg, headers={"kid": kid})


async def read(
    header: str, body: bytes = BODY, *, keys: Keys | None = None, now: datetime = NOW
) -> AggregatorEvent:
    webhooks = PlaidWebhooks((keys or Keys(JWK)).key_of, lambda: now)
    return await webhooks.read({"Plaid-Verification": header}, body)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (UPDATES, EventKind.UPDATES),
        (UPDATES | {"webhook_code": "DEFAULT_UPDATE", "new_transactions": 3}, EventKind.OTHER),
        (UPDATES | {"webhook_code": "TRANSACTIONS_REMOVED"}, EventKind.OTHER),
        (
            {
                "webhook_type": "ITEM",
                "webhook_code": "ERROR",
                "item_id": "item-1",
                "error": {"error_code": "ITEM_LOGIN_REQUIRED"},
            },
            EventKind.LOGIN_REQUIRED,
        ),
        (
            {"webhook_type": "ITEM", "webhook_code": "LOGIN_REPAIRED", "item_id": "item-1"},
            EventKind.LOGIN_REPAIRED,
        ),
        ({"webhook_type": "AUTH", "webhook_code": "NEW"}, EventKind.OTHER),
    ],
)
async def test_what_is_signed_is_read(told: dict[str, Any], kind: EventKind) -> None:
    body = json.dumps(told).encode()
    assert (await read(token(body), body)).kind == kind


def _none() -> str:
    said = {"iat": int(NOW.timestamp()), "request_body_sha256": hashlib.sha256(BODY).hexdigest()}
    parts = [{"alg": "none", "kid": "key-1"}, said]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts) + "."


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param("", BODY, id="no-header"),
        pytest.param("a.b.c", BODY, id="no-token"),
        pytest.param(_none(), BODY, id="alg-none"),
        pytest.param(token(key="x" * 32, alg="HS256"), BODY, id="alg-hs256"),
        pytest.param(token(key=ec.generate_private_key(ec.SECP256R1())), BODY, id="other-key"),
        pytest.param(token(kid="key-2"), BODY, id="unknown-kid"),
        pytest.param(token(), BODY.replace(b" ", b""), id="other-bytes"),
        pytest.param(token(request_body_sha256=None), BODY, id="no-digest"),
        pytest.param(token(iat="now"), BODY, id="no-time"),
    ],
)
async def test_what_is_not_plaids_is_refused(header: str, body: bytes) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await read(header, body)
    assert refused.value.code == "invalid_signature"


@pytest.mark.parametrize("off_s", [-301, 301])
async def test_what_was_signed_at_another_time_is_stale(off_s: int) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await read(token(), now=NOW + timedelta(seconds=off_s))
    assert refused.value.code == "stale_callback"
    assert (await read(token(), now=NOW + timedelta(seconds=off_s * 299 // 301))).item_id


async def test_a_key_that_has_expired_signs_nothing() -> None:
    """It is asked for once, and again after an hour: by then it may have."""
    keys = Keys(JWK)
    webhooks, clock = _with_clock(keys)
    for _ in range(2):
        await webhooks.read({"plaid-verification": token()}, BODY)
    assert keys.asked == ["key-1"]
    keys.keys["key-1"] = replace(JWK, expired_at=int(NOW.timestamp()))
    clock[0] = NOW + timedelta(hours=1, seconds=1)
    later = token(iat=int(clock[0].timestamp()))
    with pytest.raises(Unauthenticated):
        await webhooks.read({"plaid-verification": later}, BODY)
    assert keys.asked == ["key-1", "key-1"]


async def test_nobody_has_us_ask_for_keys_without_end() -> None:
    """A key that is good is found again once the minute is over."""
    keys = Keys()
    webhooks, clock = _with_clock(keys)
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await webhooks.read({"plaid-verification": token(kid=f"none-{number}")}, BODY)
    assert len(keys.asked) == 10
    keys.keys["key-1"] = JWK
    clock[0] = NOW + timedelta(minutes=1)
    assert (await webhooks.read({"plaid-verification": token()}, BODY)).item_id == "item-1"


def _with_clock(keys: Keys) -> tuple[PlaidWebhooks, list[datetime]]:
    clock = [NOW]
    return PlaidWebhooks(keys.key_of, lambda: clock[0]), clock


async def test_what_is_signed_and_cannot_be_read_is_said_so() -> None:
    with pytest.raises(InvalidInput) as refused:
        await read(token(b"[]"), b"[]")
    assert refused.value.code == "malformed_callback"


def test_numbers_are_read_as_they_are_written() -> None:
    """No float is in between."""
    found: Any = _exactly(b'{"amount": 12345678901234567.89, "whole": 3}')
    assert (str(found["amount"]), found["whole"]) == ("12345678901234567.89", 3)
