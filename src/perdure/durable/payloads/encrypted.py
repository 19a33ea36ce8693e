"""How a payload says that it is encrypted, and with which key."""

from typing import Final

from temporalio.api.common.v1 import Payload

ENCODING: Final = b"binary/encrypted"
"""The metadata's `encoding`."""
KEY_ID: Final = "encryption-key-id"
"""The metadata's field with the key."""


def is_encrypted(payload: Payload) -> bool:
    """Whether it takes a key to read a payload."""
    return payload.metadata.get("encoding") == ENCODING
