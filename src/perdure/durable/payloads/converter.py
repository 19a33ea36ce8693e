"""How a process's client converts what goes to Temporal and comes from there."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

from perdure.core.errors import PayloadUnreadable
from perdure.durable.payloads.encrypted import is_encrypted
from perdure.durable.payloads.settings import KEYS, PayloadSettings
from perdure.durable.payloads.values import VALUES
from perdure.storage.pool import Pool


class NoKeys(PayloadCodec):
    """Encrypts nothing, and says so where it meets what somebody else has encrypted."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads as they are."""
        return [*payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads as they are.

        Raises:
            PayloadUnreadable: One is encrypted.
        """
        for payload in payloads:
            if is_encrypted(payload):
                raise PayloadUnreadable(
                    f"A payload is encrypted, and {KEYS} is not set; set it as it is in the other"
                    " processes.",
                    code="master_key_missing",
                )
        return [*payloads]


def data_converter(settings: PayloadSettings, pool: Pool) -> DataConverter:
    """Return what encrypts, where a key is set."""
    if not settings.keys:
        return replace(VALUES, payload_codec=NoKeys())
    # Not needed by those that have no key, and a command is to begin quickly.
    from perdure.durable.payloads.codec import encrypting_converter  # noqa: PLC0415
    from perdure.durable.payloads.keys import DataKeys  # noqa: PLC0415
    from perdure.durable.payloads.ring import KeyRing  # noqa: PLC0415

    ring = KeyRing(settings.keys)
    return encrypting_converter(DataKeys(pool, ring, known_s=settings.key_cache_s))
