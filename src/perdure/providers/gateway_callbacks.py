"""The gateway's callbacks: who sent them, and what they tell.

What is signed comes from the gateway; whether it is true is another question, and not asked here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from perdure.providers.signed_callbacks import ToldText, check_signature, read_told

CONFIRMATIONS: Final = {"charge.succeeded": "succeeded", "charge.failed": "failed"}
"""The types that tell how a charge ended, and the status each stands for."""

_Minor = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


@dataclass(frozen=True, slots=True)
class ToldCharge:
    """What a callback tells of a charge, or of something that happened to it.

    Args:
        id: The gateway's, of the charge or of what happened.
        reference: Ours, of the charge.
    """

    id: ToldText | None = None
    reference: ToldText | None = None
    amount_minor: _Minor | None = None
    currency: ToldText | None = None
    status: ToldText | None = None
    failure_code: ToldText | None = None
    refunded_minor: _Minor | None = None
    reason: ToldText | None = None


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
    id: ToldText
    reference: ToldText
    amount_minor: _Minor
    currency: ToldText
    status: ToldText
    failure_code: ToldText | None = None


@dataclass(frozen=True, slots=True)
class _Confirmation:
    data: _Ended


@dataclass(frozen=True, slots=True)
class _Envelope:
    type: ToldText
    timestamp: AwareDatetime | None = None
    data: dict[str, Any] = field(default_factory=dict)


_CONFIRMATION: Final = TypeAdapter(_Confirmation)
_ENVELOPE: Final = TypeAdapter(_Envelope)
_EVENT_ID: Final[TypeAdapter[str]] = TypeAdapter(ToldText)
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
    event_id = check_signature(secrets, headers, body, setting="PERDURE_GATEWAY_CALLBACK_SECRETS")
    envelope = read_told(_ENVELOPE, body)
    return event_of(event_id, envelope.type, envelope.data)


def event_of(event_id: str, kind: str, data: Mapping[str, Any]) -> GatewayEvent:
    """Return what a verified callback tells.

    Raises:
        InvalidInput: `malformed_callback`: it is not an event, or not one that can be kept.
    """
    event_id = read_told(_EVENT_ID, event_id, param="webhook-id")
    kind = read_told(_EVENT_ID, kind, param="type")
    if kind in CONFIRMATIONS:
        told = ToldCharge(**asdict(read_told(_CONFIRMATION, {"data": data}).data))
    else:
        told = _what_can_be_kept(data)
    return GatewayEvent(event_id, kind, told)


def _what_can_be_kept(data: Mapping[str, Any]) -> ToldCharge:
    """Read what is told in a form that nobody promised: the fields that are as they should be."""
    known = {found.name for found in fields(ToldCharge)}
    given = {name: value for name, value in data.items() if name in known}
    try:
        return _TOLD.validate_python(given)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors(include_input=False)}
        return _TOLD.validate_python({name: given[name] for name in given.keys() - wrong})
