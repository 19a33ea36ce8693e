"""The key ring: the secrets that customers' own keys are wrapped with."""

import base64
import binascii
import re
import secrets
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings

KEYS: Final = "PERDURE_PAYLOAD_KEYS"
KEYS_FILE: Final = f"{KEYS}_FILE"
SECRET_BYTES: Final = 32
"""AES-256."""

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def master_key(told: SecretStr) -> tuple[str, bytes]:
    """Return a master key's id and secret, from how a setting has them.

    Raises:
        ValueError: It is none.
    """
    name, colon, encoded = told.get_secret_value().strip().partition(":")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        secret = b""
    if not colon or not _ID.fullmatch(name) or len(secret) != SECRET_BYTES:
        raise ValueError(
            f"write a key as ID:SECRET, the secret {SECRET_BYTES} bytes in base64; `perdure"
            " payload-keys new` makes one"
        )
    return name, secret


def new_master(name: str) -> str:
    """Return a new master key, as the setting has it."""
    return f"{name}:{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _known(keys: list[SecretStr]) -> list[SecretStr]:
    names = [master_key(key)[0] for key in keys]
    if len(set(names)) < len(names):
        raise ValueError("two keys have one id")
    return keys


class PayloadSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_PAYLOAD_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_PAYLOAD_")

    keys: Annotated[list[SecretStr], AfterValidator(_known)] = []  # noqa: RUF012 - pydantic copies it
    """Each `ID:SECRET`. All are known, the first wraps; none: nothing is encrypted."""
    key_cache_s: float = Field(default=60.0, ge=0, le=3600)
    """How long a process knows a customer's key before it asks for it again."""
