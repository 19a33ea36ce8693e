"""Decodes payloads for somebody, and keeps who had whose decoded; of what is in them, nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from perdure.core.errors import PayloadUnreadable
from perdure.durable.payloads.encrypted import KEY_ID, is_encrypted
from perdure.storage.pool import Pool

_TOLD: Final = {
    "payload_key_erased": "Erased: whose it was has been erased, and with it the key.",
}


@dataclass(frozen=True, slots=True)
class Decode:
    """One answer of the codec server.

    Args:
        actor: The API key that asked, as trails call it.
        namespace: As Temporal's UI or command line named it.
        owners: Whose keys it took: `customer:…`, `operation:…`, `platform`.
        payloads: How many were encrypted.
        unreadable: How many of them could not be decoded.
    """

    at: datetime
    actor: str
    namespace: str
    owners: list[str]
    payloads: int
    unreadable: int


class Decoding:
    """Given what decrypts, and where it is kept who asked."""

    def __init__(self, pool: Pool, codec: PayloadCodec) -> None:
        self._pool = pool
        self._codec = codec

    async def decode(
        self, payloads: Sequence[Payload], *, actor: str, namespace: str, request_id: str
    ) -> list[Payload]:
        """Return payloads in the clear; one that cannot be read says why.

        It is kept who asked before anything is answered.
        """
        decoded, unreadable = [], 0
        for payload in payloads:
            try:
                decoded += await self._codec.decode([payload])
            except PayloadUnreadable as error:
                unreadable += 1
                decoded.append(_told(error))
        if encrypted := [payload for payload in payloads if is_encrypted(payload)]:
            await self._pool.execute(
                _KEEP,
                actor,
                namespace,
                [payload.metadata[KEY_ID].decode(errors="replace") for payload in encrypted],
                len(encrypted),
                unreadable,
                request_id,
            )
        return decoded


async def decodes(pool: Pool, *, limit: int) -> list[Decode]:
    """Return who had what decoded, the latest first."""
    rows = await pool.fetch(
        "SELECT at, actor, namespace, owners, payloads, unreadable FROM payload_decodes"
        " ORDER BY id DESC LIMIT $1",
        limit,
    )
    return [Decode(**row) for row in rows]


# Of a key that is not this database's nothing is known but its id.
_KEEP: Final = """
INSERT INTO payload_decodes (actor, namespace, owners, payloads, unreadable, request_id)
SELECT $1, $2, ARRAY(
    SELECT DISTINCT coalesce((SELECT owner FROM payload_keys WHERE id = asked), 'key:' || asked)
    FROM unnest($3::text[]) AS asked ORDER BY 1), $4, $5, $6
"""


def _told(error: PayloadUnreadable) -> Payload:
    told = _TOLD.get(error.code, error.message)
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(f"[{told}]").encode())
