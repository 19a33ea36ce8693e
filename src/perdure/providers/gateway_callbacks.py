"""The gateway's callbacks: who sent them, and what they tell.

What is signed comes from the gateway; whether it is true is another question, and not asked here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from perdure.core.errors import ConfigurationError, InvalidInput, Unauthenticated
from perdure.core.text import check_text

TOLERANCE_S: Final = 300
"""How far a callback's timestamp may be from now, either way (Standard Webhooks)."""
_TIMESTAMP_LENGTH_MAX: Final = 12
"""The digits of a time, in seconds, that is in this millennium and the next thirty."""

CONFIRMATIONS: Final = {"charge.succeeded": "succeeded", "charge.failed": "failed"}
"""The types that tell how a charge ended, and the status each stands for."""


def _check_text(value: str) -> str:
    try:
        return check_text("", value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


# What PostgreSQL cannot hold, or nobody needs, is refused here, not where it is kept.
_Text = Annotated[str, Field(strict=True), AfterValidator(_check_text)]
_Minor = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


@dataclass(frozen=True, slots=True)
class ToldCharge:
    """What a callback tells of a charge, or of something that happened to it.

    Args:
        id: The gateway's, of the charge or of what happened.
        reference: Ours, of the charge.
    """

    id: _Text | None = None
    reference: _Text | None = None
    amount_minor: _Minor | None = None
    currency: _Text | None = None
    status: _Text | None = None
    failure_code: _Text | None = None
    refunded_minor: _Minor | None = None
    reason: _Text | None = None


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """What a callback tells; one event may be told several times, under one `event_id`.

    Args:
        type: One of `CONFIRMATIONS`, which say who, how much and how it ended; or any other.
    """

    event_id: str
    type: str
    told: ToldCharge

    @property
    def is_confirmation(self) -> bool:
        """Whether it tells how a charge ended."""
        return self.type in CONFIRMATIONS


@dataclass(frozen=True, slots=True)
class _Ended:
    id: _Text
    reference: _Text
    amount_minor: _Minor
    currency: _Text
    status: _Text
    failure_code: _Text | None = None


@dataclass(frozen=True, slots=True)
class _Confirmation:
    data: _Ended


@dataclass(frozen=True, slots=True)
class _Envelope:
    type: _Text
    timestamp: AwareDatetime | None = None
    data: dict[str, Any] = field(default_factory=dict)


_CONFIRMATION: Final = TypeAdapter(_Confirmation)
_ENVELOPE: Final = TypeAdapter(_Envelope)
_EVENT_ID: Final[TypeAdapter[str]] = TypeAdapter(_Text)
_TOLD: Final = TypeAdapter(ToldCharge)


def verify_callback(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes
) -> GatewayEvent:
    """Check a callback's signature (https://www.standardwebhooks.com) and read it.

    Args:
        secrets: Any of them may have signed (`whsec_` + base64), so that one can be replaced.
        headers: Of the request; names in any case.
        body: As received, byte for byte.

    Raises:
        Unauthenticated: `invalid_signature`: a header is missing, or none of the secrets signed
            this; `stale_callback`: signed more than five minutes from now.
        InvalidInput: `malformed_callback`: rightly signed, but not an event, or not one that can be
            kept.
        ConfigurationError: There is no secret, or one is not base64.
    """
    if not secrets:
        raise ConfigurationError(
            "No secret is set to check the gateway's callbacks with; set"
            " PERDURE_GATEWAY_CALLBACK_SECRETS.",
            param="PERDURE_GATEWAY_CALLBACK_SECRETS",
        )
    headers = {name.lower(): value for name, value in headers.items()}
    _check_fresh(headers.get("webhook-timestamp", ""))
    if not any(_is_signed_with(secret, headers, body) for secret in secrets):
        raise invalid_signature()
    envelope = _read(_ENVELOPE, body)
    return event_of(headers["webhook-id"], envelope.type, envelope.data)


def event_of(event_id: str, kind: str, data: Mapping[str, Any]) -> GatewayEvent:
    """Return what a verified callback tells.

    Raises:
        InvalidInput: `malformed_callback`: it is not an event, or not one that can be kept.
    """
    event_id = _read(_EVENT_ID, event_id, param="webhook-id")
    kind = _read(_EVENT_ID, kind, param="type")
    if kind in CONFIRMATIONS:
        told = ToldCharge(**asdict(_read(_CONFIRMATION, {"data": data}).data))
    else:
        told = _what_can_be_kept(data)
    return GatewayEvent(event_id, kind, told)


def _read(adapter: TypeAdapter[Any], given: object, *, param: str | None = None) -> Any:
    try:
        if isinstance(given, bytes):
            return adapter.validate_json(given)
        return adapter.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        param = param or ".".join(str(part) for part in first["loc"]) or None
        raise InvalidInput(
            f"The callback is signed, but not an event that can be kept: {first['msg']}.",
            code="malformed_callback",
            param=param,
        ) from error


def _what_can_be_kept(data: Mapping[str, Any]) -> ToldCharge:
    """Read what is told in a form that nobody promised: the fields that are as they should be."""
    known = {found.name for found in fields(ToldCharge)}
    given = {name: value for name, value in data.items() if name in known}
    try:
        return _TOLD.validate_python(given)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors(include_input=False)}
        return _TOLD.validate_python({name: given[name] for name in given.keys() - wrong})


def _check_fresh(timestamp: str) -> None:
    is_time = timestamp.isascii() and timestamp.isdigit()
    if not is_time or len(timestamp) > _TIMESTAMP_LENGTH_MAX:
        raise invalid_signature()
    if abs(datetime.now(UTC).timestamp() - int(timestamp)) > TOLERANCE_S:
        raise stale_callback()


def _is_signed_with(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhook = Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise ConfigurationError(
            "A secret in PERDURE_GATEWAY_CALLBACK_SECRETS is not `whsec_` and base64.",
            param="PERDURE_GATEWAY_CALLBACK_SECRETS",
        ) from error
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a header or the body is garbage
        return False
    return True


def stale_callback() -> Unauthenticated:
    """Return what a callback is refused with that was signed at another time."""
    return Unauthenticated(
        "The callback was signed more than five minutes from now; sign it when it is sent, and"
        " check both clocks.",
        code="stale_callback",
    )


def invalid_signature() -> Unauthenticated:
    """Return what a callback is refused with whose sender is not known."""
    return Unauthenticated(
        "The callback's signature is missing or not valid; the secret must be the one set here.",
        code="invalid_signature",
    )
