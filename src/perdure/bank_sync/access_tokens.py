"""Access tokens as they are kept: encrypted with their customers' own keys, and gone with these."""

from cryptography.exceptions import InvalidTag

from perdure.core.erased import customer_erased
from perdure.core.errors import ConfigurationError, PayloadUnreadable
from perdure.durable.payloads.keys import DataKeys
from perdure.durable.payloads.settings import KEYS


class AccessTokens:
    """Encrypts access tokens, and decrypts them.

    Args:
        keys: Customers' keys; None: there is none, so no token can be kept.
    """

    def __init__(self, keys: DataKeys | None) -> None:
        self._keys = keys

    async def encrypted(self, token: str, customer_id: str) -> bytes:
        """Return a customer's token as it is kept.

        Raises:
            ConfigurationError: There are no keys.
            Refused: `customer_erased`.
        """
        cipher = await self._used.of_customer(customer_id)
        if cipher is None:
            raise customer_erased(customer_id)
        return b"%b:%b" % (cipher.key_id.encode(), cipher.encrypt(token.encode()))

    async def decrypted(self, kept: bytes) -> str:
        """Return a token that is kept.

        Raises:
            ConfigurationError: There are no keys.
            PayloadUnreadable: Its key was deleted, or cannot be had here.
        """
        key_id, _, encrypted = kept.partition(b":")
        cipher = await self._used.by_id(key_id.decode())
        try:
            return cipher.decrypt(encrypted).decode()
        except InvalidTag:
            raise PayloadUnreadable("An access token was changed since it was kept.") from None

    @property
    def _used(self) -> DataKeys:
        if self._keys is None:
            raise ConfigurationError(
                f"{KEYS} is not set, so nothing encrypts access tokens; set it.", param=KEYS
            )
        return self._keys
