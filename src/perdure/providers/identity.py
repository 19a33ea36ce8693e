"""The verifier of identities: looks at who somebody is, which may take days.

What it writes for itself of a person (its private comments) is not read: it is nobody's here, and
so can come to nobody.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Protocol, Self
from urllib.parse import quote

import aiohttp
from pydantic import AwareDatetime, TypeAdapter

from perdure.core.check_states import CheckState
from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.signed_callbacks import (
    CallbackSettings,
    ToldText,
    check_signature,
    read_told,
)
from perdure.providers.simulator import Listener, Simulator

CHECK_STATES: Final = frozenset(state.value for state in CheckState)

REFUSALS: Final = frozenset({"country_not_supported", "person_too_young"})
"""The verifier's own words for a person whom it does not check at all."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of somebody's identity.

    Args:
        id: The verifier's.
        reference: Ours.
        customer_id: Who is checked, as we call them.
        status: One of `CHECK_STATES`, as far as we know.
        wanted: What the person is to show, in the verifier's codes.
        input_url: Where the person shows it.
        reasons: Why it was declined, in the verifier's codes: for the house alone.
        approved_until: When an approval ends; None: it does not.
    """

    id: str
    reference: str
    customer_id: str
    status: str
    wanted: tuple[str, ...] = ()
    input_url: str | None = None
    reasons: tuple[str, ...] = ()
    approved_until: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class CheckEvent:
    """What a callback tells: that there is something new of a check, and nothing that is believed.

    Args:
        reference: Ours, of the check; None: it says none.
    """

    event_id: str
    type: str
    reference: str | None = None


class IdentityVerifier(Protocol):
    """What Perdure needs of a verifier.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be).
    """

    async def begin(
        self,
        *,
        reference: str,
        customer_id: str,
        full_name: str,
        birth_date: date,
        country: str,
        email: str,
        phone: str | None,
        callback_url: str | None = None,
    ) -> Check:
        """Begin a check. Not to be repeated on a guess: it costs money, and the person's time.

        Raises:
            ProviderDeclined: It does not check this person; the code is the verifier's.
            ProviderOutcomeUnknown: It may have begun; `find` tells.
        """
        ...

    async def find(self, reference: str) -> Check | None:
        """Ask for the check under our reference; None: the verifier never saw it."""
        ...

    async def call_off(self, reference: str) -> Check:
        """End a check; one that has ended is answered as it is. Repeatable.

        Raises:
            ProviderOutcomeUnknown: It may have been called off.
        """
        ...

    async def read_callback(self, headers: Mapping[str, str], body: bytes) -> CheckEvent:
        """Check who sent a callback, by its signature, and read it.

        A verifier that sends none raises `Unauthenticated`.

        Raises:
            Unauthenticated: `invalid_signature`, `stale_callback`.
            InvalidInput: `malformed_callback`: rightly signed, but not an event that can be kept.
            ConfigurationError: There is no secret to check it with, or one that is none.
        """
        ...


IDENTITY_ROLE: Final[Role[IdentityVerifier]] = Role(
    "identity",
    IdentityVerifier,
    {"http": "perdure.providers.identity:HttpIdentityVerifier"},
    default="http",
    ask=lambda verifier: verifier.find(ASKED_BY_DOCTOR),
    callbacks="/v1/callbacks/identity",
    simulator=Simulator(
        name="identity",
        commands={"identity": "perdure.simulators.commands:identity"},
        listens=(Listener("identity_port", 8120),),
    ),
)

_OUR_STATES: Final = {"completed": CheckState.PROCESSING}
"""Words that say less than they seem to: who has completed it is not approved yet."""


@dataclass(frozen=True, slots=True)
class _Checks:
    data: list[Check]


@dataclass(frozen=True, slots=True)
class _About:
    reference: ToldText | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    type: ToldText
    data: _About = _About()


_CHECK: Final = TypeAdapter(Check)
_CHECKS: Final = TypeAdapter(_Checks)
_EVENT: Final = TypeAdapter(_Event)
_EVENT_ID: Final[TypeAdapter[str]] = TypeAdapter(ToldText)


class HttpIdentityVerifier:
    """A verifier over HTTP, whose callbacks are signed as Standard Webhooks say.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
        callback_secrets: Any of them may have signed a callback.
    """

    settings_type = CallbackSettings

    def __init__(
        self, client: aiohttp.ClientSession, *, callback_secrets: tuple[str, ...] = ()
    ) -> None:
        self._callback_secrets = callback_secrets
        self._http = ProviderHttp(
            client,
            "The identity verifier",
            refusals=REFUSALS,
            simulated_by=IDENTITY_ROLE.simulated_as(),
        )

    @classmethod
    def from_settings(cls, settings: CallbackSettings, host: ProviderHost) -> Self:
        """Return the verifier at a URL."""
        return cls(host.http(settings), callback_secrets=settings.secrets)

    async def begin(
        self,
        *,
        reference: str,
        customer_id: str,
        full_name: str,
        birth_date: date,
        country: str,
        email: str,
        phone: str | None,
        callback_url: str | None = None,
    ) -> Check:
        """Begin a check; see `IdentityVerifier.begin`."""
        body = {
            "reference": reference,
            "customer_id": customer_id,
            "full_name": full_name,
            "birth_date": birth_date,
            "country": country,
            "email": email,
            "phone": phone,
            "callback_url": callback_url,
        }
        return _in_our_words(
            await self._http.act("/v1/checks", body, _CHECK, idempotency_key=reference)
        )

    async def find(self, reference: str) -> Check | None:
        """Ask for a check under our reference."""
        page = await self._http.read("/v1/checks", _CHECKS, params={"reference": reference})
        return _in_our_words(page.data[0]) if page.data else None

    async def call_off(self, reference: str) -> Check:
        """End a check; see `IdentityVerifier.call_off`."""
        path = f"/v1/checks/{quote(reference, safe='')}/call-off"
        return _in_our_words(await self._http.act(path, {}, _CHECK))

    async def books(self, since: datetime | None) -> AsyncIterator[Check]:  # noqa: ARG002 - all
        """Yield every check there is; see `TellsBooks`."""
        async for check in self._http.read_all("/v1/checks", Check):
            yield _in_our_words(check)

    async def read_callback(self, headers: Mapping[str, str], body: bytes) -> CheckEvent:
        """Check a callback's signature (https://www.standardwebhooks.com), and read it."""
        event_id = check_signature(
            self._callback_secrets,
            headers,
            body,
            setting=f"{IDENTITY_ROLE.prefix}CALLBACK_SECRETS",
        )
        event_id = read_told(_EVENT_ID, event_id, param="webhook-id")
        event = read_told(_EVENT, body)
        return CheckEvent(event_id, event.type, event.data.reference)


def _in_our_words(check: Check) -> Check:
    return replace(check, status=_OUR_STATES.get(check.status, check.status))
