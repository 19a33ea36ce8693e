"""Callbacks that are signed as Standard Webhooks say (https://www.standardwebhooks.com)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr, TypeAdapter, ValidationError
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from perdure.core.errors import ConfigurationError, InvalidInput, Unauthenticated
from perdure.core.text import check_text
from perdure.providers.credentials import HttpSettings

TOLERANCE_S: Final = 300
"""How far a callback's timestamp may be from now, either way (Standard Webhooks)."""
_TIMESTAMP_LENGTH_MAX: Final = 12
"""The digits of a time, in seconds, that is in this millennium and the next thirty."""


class CallbackSettings(HttpSettings):
    """Where an outside system over HTTP is, how it knows us, and how we know it.

    Args:
        callback_secrets: The secrets (`whsec_…`) that sign callbacks.
    """

    callback_secrets: list[SecretStr] = []  # noqa: RUF012 - pydantic copies it

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets, as `check_signature` takes them."""
        return tuple(secret.get_secret_value() for secret in self.callback_secrets)


def _check_text(value: str) -> str:
    try:
        return check_text("", value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


# What PostgreSQL cannot hold, or nobody needs, is refused here, not where it is kept.
ToldText = Annotated[str, Field(strict=True), AfterValidator(_check_text)]


def check_signature(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, setting: str
) -> str:
    """Check who sent a callback; returns its event's id.

    Args:
        secrets: Any of them may have signed (`whsec_` + base64), so that one can be replaced.
        headers: Of the request; names in any case.
        body: As received, byte for byte.
        setting: The variable that has the secrets.

    Raises:
        Unauthenticated: `invalid_signature`: a header is missing, or none of the secrets signed
            this; `stale_callback`: signed more than five minutes from now.
        ConfigurationError: There is no secret, or one is not base64.
    """
    if not secrets:
        raise ConfigurationError(
            f"No secret is set to check callbacks with; set {setting}.", param=setting
        )
    headers = {name.lower(): value for name, value in headers.items()}
    _check_fresh(headers.get("webhook-timestamp", ""))
    if not any(_is_signed_with(secret, headers, body, setting) for secret in secrets):
        raise invalid_signature()
    return headers["webhook-id"]


def read_told(adapter: TypeAdapter[Any], given: object, *, param: str | None = None) -> Any:
    """Return what a callback tells that is rightly signed.

    Raises:
        InvalidInput: `malformed_callback`: it is not an event, or not one that can be kept.
    """
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


def _check_fresh(timestamp: str) -> None:
    is_time = timestamp.isascii() and timestamp.isdigit()
    if not is_time or len(timestamp) > _TIMESTAMP_LENGTH_MAX:
        raise invalid_signature()
    if abs(datetime.now(UTC).timestamp() - int(timestamp)) > TOLERANCE_S:
        raise stale_callback()


def _is_signed_with(secret: str, headers: dict[str, str], body: bytes, setting: str) -> bool:
    try:
        webhook = Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise ConfigurationError(
            f"A secret in {setting} is not `whsec_` and base64.", param=setting
        ) from error
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: a header or the body is garbage
        return False
    return True
