"""Text messages."""

from dataclasses import dataclass
from typing import Final, Protocol, Self

import aiohttp
from pydantic import TypeAdapter

from perdure.core.errors import (
    InvalidInput,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.credentials import HttpSettings
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.simulator import Listener, Simulator


class SmsSender(Protocol):
    """What Perdure needs of an SMS provider."""

    async def send(self, *, reference: str, to: str, text: str) -> None:
        """Send a text; once per reference.

        Raises:
            Refused: `sms_rejected`: it will not send this, ever.
            ProviderUnavailable, ProviderRateLimited: Not sent.
            ProviderOutcomeUnknown: It may have been sent; `was_sent` tells.
        """
        ...

    async def was_sent(self, reference: str) -> bool | None:
        """Ask whether a text was taken; None: this provider cannot tell.

        Raises:
            ProviderUnavailable, ProviderRateLimited: Ask again later.
        """
        ...


SMS_ROLE: Final[Role[SmsSender]] = Role(
    "sms",
    SmsSender,
    {"http": "perdure.providers.sms:HttpSmsSender"},
    default="http",
    ask=lambda sms: sms.was_sent(ASKED_BY_DOCTOR),
    simulator=Simulator(
        name="sms",
        commands={"sms": "perdure.simulators.commands:sms"},
        listens=(Listener("sms_port", 8104),),
    ),
)


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    reference: str


@dataclass(frozen=True, slots=True)
class _Page:
    data: list[_Message]


_MESSAGE: Final = TypeAdapter(_Message)
_MESSAGES: Final = TypeAdapter(_Page)


class HttpSmsSender:
    """An SMS provider over HTTP.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
    """

    settings_type = HttpSettings

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._http = ProviderHttp(client, "The SMS provider", simulated_by=SMS_ROLE.simulated_as())

    @classmethod
    def from_settings(cls, settings: HttpSettings, host: ProviderHost) -> Self:
        """Return the SMS provider at a URL."""
        return cls(host.http(settings))

    async def send(self, *, reference: str, to: str, text: str) -> None:
        """Send a text; see `SmsSender.send`."""
        body = {"reference": reference, "to": to, "text": text}
        try:
            sent = await self._http.act("/v1/messages", body, _MESSAGE, idempotency_key=reference)
        except InvalidInput as error:
            raise Refused(error.message, code="sms_rejected") from error
        if sent.reference != reference:
            raise ProviderOutcomeUnknown(
                f"The SMS provider answered about {sent.reference!r} instead of {reference!r}; ask"
                " it before trying again.",
                in_flight=False,
            )

    async def was_sent(self, reference: str) -> bool | None:
        """Ask whether a text was taken; see `SmsSender.was_sent`."""
        page = await self._http.read("/v1/messages", _MESSAGES, params={"reference": reference})
        if page.data and all(found.reference != reference for found in page.data):
            raise ProviderUnavailable("The SMS provider told of other texts than it was asked for.")
        return bool(page.data)
