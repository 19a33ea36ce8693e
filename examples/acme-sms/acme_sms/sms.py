"""Text messages by Acme."""

from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from pydantic import SecretStr, TypeAdapter
from pydantic_settings import SettingsConfigDict

from perdure import (
    EnvironmentSettings,
    HttpSettings,
    InvalidInput,
    ProviderDeclined,
    ProviderHost,
    ProviderHttp,
    Refused,
)


class AcmeSettings(EnvironmentSettings):
    """`PERDURE_ACME_SMS_API_KEY`, or a file that `PERDURE_ACME_SMS_API_KEY_FILE` names."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_ACME_SMS_")

    api_key: SecretStr
    url: str = "https://sms.acme.example"


@dataclass(frozen=True, slots=True)
class _Sent:
    id: str


@dataclass(frozen=True, slots=True)
class _Found:
    messages: list[_Sent]


_SENT: Final = TypeAdapter(_Sent)
_FOUND: Final = TypeAdapter(_Found)


class AcmeSms:
    """Acme as a `perdure.providers.sms.SmsSender`."""

    settings_type = AcmeSettings

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._http = ProviderHttp(client, "Acme", refusals=frozenset({"number_blocked"}))

    @classmethod
    def from_settings(cls, settings: AcmeSettings, host: ProviderHost) -> Self:
        """Return it as the settings have it."""
        return cls(host.http(HttpSettings(url=settings.url, api_key=settings.api_key)))

    async def send(self, *, reference: str, to: str, text: str) -> None:
        """Send a text; Acme knows it by our reference."""
        body = {"client_ref": reference, "recipient": to, "body": text}
        try:
            await self._http.act("/2026/messages", body, _SENT, idempotency_key=reference)
        except (ProviderDeclined, InvalidInput) as no:
            raise Refused(no.message, code="sms_rejected") from no

    async def was_sent(self, reference: str) -> bool | None:
        """Ask whether Acme took a text."""
        found = await self._http.read("/2026/messages", _FOUND, params={"client_ref": reference})
        return bool(found.messages)
