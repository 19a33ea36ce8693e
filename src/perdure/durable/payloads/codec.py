"""What Temporal keeps of operations is encrypted: inputs, results, signals, failures.

A payload says which key it is encrypted with, so that it can be read without knowing whose it is.
One that is not encrypted is left as it is: of a workflow from before, or of a recorded history.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from perdure.core.errors import PayloadUnreadable
from perdure.durable.operation_ids import operation_of
from perdure.durable.payloads.encrypted import ENCODING, KEY_ID, is_encrypted
from perdure.durable.payloads.keys import DataKeys
from perdure.durable.payloads.values import PayloadValues


class EncryptingCodec(PayloadCodec, WithSerializationContext):
    """Encrypts with the key of the operation that a payload is of.

    Args:
        operation_id: None: of none, so that the platform's key is taken.
    """

    def __init__(self, keys: DataKeys, operation_id: str | None = None) -> None:
        self._keys = keys
        self._operation_id = operation_id

    def with_context(self, context: SerializationContext) -> Self:
        """Return the codec of a workflow's payloads, or of its activities'."""
        if not isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return self
        operation_id = operation_of(context.workflow_id or "")
        if operation_id == self._operation_id:
            return self
        return type(self)(self._keys, operation_id)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads."""
        cipher = await self._keys.of_operation(self._operation_id)
        metadata = {"encoding": ENCODING, KEY_ID: cipher.key_id.encode()}
        return [
            Payload(metadata=metadata, data=cipher.encrypt(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads; those that are not encrypted are returned as they are.

        Raises:
            PayloadUnreadable: The key is not to be had, or is not the one.
        """
        return [await self._decoded(payload) for payload in payloads]

    async def _decoded(self, payload: Payload) -> Payload:
        if not is_encrypted(payload):
            return payload
        cipher = await self._keys.by_id(payload.metadata[KEY_ID].decode())
        try:
            return Payload.FromString(cipher.decrypt(payload.data))
        except InvalidTag:
            raise PayloadUnreadable(
                f"A payload is not what was encrypted with {cipher.key_id}: it was changed.",
                code="payload_changed",
            ) from None


@dataclass(frozen=True)
class EncryptingConverter(DataConverter):
    """Converts as ever; of its parts only the codec depends on whose a payload is."""

    def with_context(self, context: SerializationContext) -> Self:
        """Return the converter of a workflow's payloads, or of its activities'.

        It is asked for some ten times an operation: all but the codec is shared.
        """
        assert isinstance(self.payload_codec, EncryptingCodec)
        found = copy(self)
        object.__setattr__(found, "payload_codec", self.payload_codec.with_context(context))
        return found


def encrypting_converter(keys: DataKeys) -> DataConverter:
    """Return what clients convert with: values as ever, then encrypted; failures' texts too."""
    return EncryptingConverter(
        payload_converter_class=PayloadValues,
        payload_codec=EncryptingCodec(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
