"""Identifiers: a prefix that says what the thing is, and a UUIDv7 that sorts by time.

Written as TypeIDs (https://github.com/jetify-com/typeid): `pay_01m7ywcncme7a8245dvy60tywa`.
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

import typeid
import uuid_utils
from typeid.core.errors import TypeIDException

from perdure.core.errors import InvalidInput

ACCOUNT: Final = "acc"
API_KEY: Final = "key"
BULK: Final = "blk"
BULK_LIST: Final = "bll"
NOTIFICATION: Final = "ntf"
PAYLOAD_KEY: Final = "pky"
REQUEST: Final = "req"
TRANSFER: Final = "ltr"
"""A transfer between ledger accounts."""

HOUSE_PREFIXES: Final = frozenset(
    {ACCOUNT, API_KEY, BULK, BULK_LIST, NOTIFICATION, PAYLOAD_KEY, REQUEST, TRANSFER}
)
"""No kind of operation of other packages begins its ids so."""

ID_SUFFIX_LENGTH: Final = 26
"""The characters after the prefix: they alone sort by time."""
_RANDOM_LENGTH: Final = 16
"""The last of them, which are not of the time."""
_LETTERS: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)
"""From base32 as Python writes it to a TypeID's."""
_DIGITS: Final = str.maketrans(
    "0123456789abcdefghjkmnpqrstvwxyz", "0123456789abcdefghijklmnopqrstuv"
)
"""From a TypeID's base32 to digits of a number as Python reads it."""


def new_id(prefix: str) -> str:
    """Return a new identifier with this prefix."""
    return str(typeid.TypeID(prefix))


def check_id(value: str, prefix: str, *, param: str = "id") -> str:
    """Return the identifier, or refuse one that is not of this prefix.

    Raises:
        InvalidInput: `invalid_id`.
    """
    try:
        found = typeid.TypeID.from_string(value)
    except TypeIDException:
        found = None
    if found is None or found.prefix != prefix:
        raise InvalidInput(
            f"{value!r} is not an id of this kind;"
            f" one looks like {prefix}_01h455vb4pex5vsknk084sn02q.",
            code="invalid_id",
            param=param,
        )
    return value


def earlier_id(source_id: str, by: timedelta) -> str:
    """Return the first identifier that could have been given so much earlier than another."""
    source = typeid.TypeID.from_string(source_id)
    time_ms = (source.uuid.int >> 80) - round(by / timedelta(milliseconds=1))
    return str(typeid.TypeID.from_uuid(uuid_utils.UUID(int=max(time_ms, 0) << 80), source.prefix))


def suffix_at(moment: datetime) -> str:
    """Return what comes after the prefix of the first identifier that a moment could have given."""
    time_ms = int(moment.timestamp() * 1000)
    return typeid.TypeID.from_uuid(uuid_utils.UUID(int=time_ms << 80)).suffix


def derived_id(prefix: str, source_id: str, purpose: str) -> str:
    """Return the one identifier that something made for a purpose by `source_id` has.

    It is a UUIDv7 too: the source's time, and random bits that are a digest of both, so that it
    sorts with its source and comes out the same on every attempt.
    """
    time = source_id[-ID_SUFFIX_LENGTH:-_RANDOM_LENGTH]
    assert len(time) + _RANDOM_LENGTH == ID_SUFFIX_LENGTH, f"{source_id} is no identifier"
    digest = int.from_bytes(hashlib.sha256(f"{source_id}:{purpose}".encode()).digest()[:10], "big")
    version_and_variant = (0x7 << 76) | (0b10 << 62)
    bits = digest & ~(0xF << 76) & ~(0b11 << 62) | version_and_variant
    # Written out here, as every transfer has one: a TypeID's own code takes three times as long.
    random = base64.b32encode(bits.to_bytes(10, "big")).translate(_LETTERS).decode()
    return f"{prefix}_{time}{random}"


def time_of(value: str) -> datetime | None:
    """Return when an identifier was given; None: it is none of ours."""
    try:
        found = typeid.TypeID.from_string(value)
    except TypeIDException:
        return None
    return datetime.fromtimestamp((found.uuid.int >> 80) / 1000, UTC)


def time_ms_of(value: str) -> int:
    """Return the millisecond in which an identifier was given; 0: it is none of ours.

    As `time_of` in a tenth of the time, for what is done with every transfer.
    """
    time = value[-ID_SUFFIX_LENGTH:-_RANDOM_LENGTH]
    if len(time) != ID_SUFFIX_LENGTH - _RANDOM_LENGTH or value[-ID_SUFFIX_LENGTH - 1 :][:1] != "_":
        return 0
    try:
        found = int(time.translate(_DIGITS), 32)
    except ValueError:
        return 0
    return found if found < 1 << 48 else 0
