"""Keys: masters that wrap, and those of customers, which encrypt what Temporal keeps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from perdure.core.errors import PayloadUnreadable
from perdure.durable.payloads.settings import KEYS, SECRET_BYTES, master_key

_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A customer's key as it is kept: opened by a master key alone."""

    master: str
    secret: bytes


class Cipher:
    """AES-256-GCM with a key that has an id, which is bound to all that it encrypts."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.key_id = key_id
        self._bound = key_id.encode()
        self._cipher = AESGCM(secret)

    def encrypt(self, clear: bytes) -> bytes:
        """Return something encrypted, its nonce before it."""
        # Random: a customer's payloads are far from the 2^32 that a key may encrypt so.
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, clear, self._bound)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Return what was encrypted.

        Raises:
            InvalidTag: Not with this key, or it was changed since.
        """
        nonce, rest = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, rest, self._bound)


class KeyRing:
    """The master keys.

    Args:
        keys: Each `ID:SECRET`; the first wraps, all unwrap.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._secrets = dict(master_key(key) for key in keys)
        self.current = next(iter(self._secrets))
        """The id of the key that wraps."""

    @property
    def names(self) -> list[str]:
        """The ids of the master keys, in their order."""
        return [*self._secrets]

    def new_key(self, key_id: str) -> Wrapped:
        """Return a new customer's key."""
        return self._wrap(key_id, os.urandom(SECRET_BYTES))

    def rewrap(self, key_id: str, wrapped: Wrapped) -> Wrapped:
        """Return a customer's key, wrapped with the first of the masters.

        Raises:
            PayloadUnreadable: As `unwrap`.
        """
        return self._wrap(key_id, self._unwrap(key_id, wrapped))

    def unwrap(self, key_id: str, wrapped: Wrapped) -> Cipher:
        """Return what encrypts and decrypts with a customer's key.

        Raises:
            PayloadUnreadable: Its master key is not here, or is another one.
        """
        return Cipher(key_id, self._unwrap(key_id, wrapped))

    def _wrap(self, key_id: str, secret: bytes) -> Wrapped:
        return Wrapped(self.current, self._cipher(self.current, key_id).encrypt(secret))

    def _unwrap(self, key_id: str, wrapped: Wrapped) -> bytes:
        if wrapped.master not in self._secrets:
            raise PayloadUnreadable(
                f"The master key {wrapped.master} is not among {KEYS}, so {key_id} cannot be"
                " unwrapped; add it there.",
                code="master_key_missing",
            )
        try:
            return self._cipher(wrapped.master, key_id).decrypt(wrapped.secret)
        except InvalidTag:
            raise PayloadUnreadable(
                f"The master key {wrapped.master} of {KEYS} is not the one that wrapped {key_id};"
                " give it the secret that it had.",
                code="master_key_wrong",
            ) from None

    def _cipher(self, master: str, key_id: str) -> Cipher:
        return Cipher(key_id, self._secrets[master])
