"""Domain registries: what is asked of one, in our own words, and which there are."""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol, Self

import aiohttp
from pydantic import TypeAdapter

from perdure.core.errors import InvalidInput, NotFound, ProviderDeclined
from perdure.core.tlds import longest_ending
from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.credentials import HttpSettings
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.simulator import Listener, Ports, Simulator, url_at

NOT_REGISTERED: Final = "domain_not_registered"
UNKNOWN_TLD: Final = "unknown_tld"

DOMAIN_STATUSES: Final = frozenset({"active", "expired", "locked"})
RENEWAL_STATUSES: Final = frozenset({"renewed", "undone"})

REFUSALS: Final = frozenset(
    {
        NOT_REGISTERED,
        "domain_locked",
        "domain_expired",
        "expiry_mismatch",
        "years_over_maximum",
        "not_refundable",
        "grace_period_over",
        "unknown_renewal",
    }
)
"""A registry's own words for a no that stays one, beside those of a 402."""


@dataclass(frozen=True, slots=True)
class RegisteredDomain:
    """A domain as its registry sees it.

    Args:
        status: `active`, `expired` (past its date, renewable by redemption only) or `locked` (the
            registry refuses changes); any other is none that we know.
        expires_on: The last day of the time that is paid for.
        premium: It costs more than the registry's usual price.
        price_minor: Of one more year, in minor units of the currency.
    """

    name: str
    status: str
    expires_on: date
    premium: bool
    price_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class RegistryRenewal:
    """A renewal as its registry reports it.

    Args:
        id: The registry's own.
        reference: Ours, as it was asked for.
        expires_on: The domain's new last day; of a renewal that is undone, the day it went back to.
        price_minor: What the registry bills us, in minor units of the currency.
        status: `renewed` or `undone`; any other is none that we know.
    """

    id: str
    reference: str
    domain: str
    years: int
    expires_on: date
    price_minor: int
    currency: str
    status: str


class DomainRegistry(Protocol):
    """The registry of one TLD.

    Every call raises `ProviderUnavailable`, `ProviderRateLimited` or `ProviderOutcomeUnknown` where
    no answer came; see `core.errors`.
    """

    async def domain(self, name: str) -> RegisteredDomain:
        """Return what the registry knows of a domain.

        Raises:
            NotFound: It is not registered.
        """
        ...

    async def renew(
        self, *, reference: str, domain: str, current_expires_on: date, years: int
    ) -> RegistryRenewal:
        """Renew a domain. Not idempotent: the date is what keeps a second call from renewing again.

        As in EPP (RFC 5731, section 3.2.3), a call that names another date of expiry than the
        registry's is refused.

        Raises:
            ProviderDeclined: `expiry_mismatch`, `domain_locked`, `domain_expired`,
                `years_over_maximum`.
            NotFound: It is not registered.
        """
        ...

    async def find_renewal(self, reference: str) -> RegistryRenewal | None:
        """Return the registry's report of a renewal; None: it never saw the reference."""
        ...

    async def undo_renewal(self, reference: str) -> RegistryRenewal:
        """Take a renewal back, as long as the registry's grace period lasts; idempotent.

        Raises:
            ProviderDeclined: `grace_period_over`, or `not_refundable` where the registry never
                takes one back; `unknown_renewal`: it never saw the reference.
        """
        ...


def _where_registries_are(ports: Ports) -> Mapping[str, str]:
    return {
        "urls": json.dumps(
            {one.tld: url_at(ports[one.port]) for one in _LISTENERS if one.port in ports}
        )
    }


_LISTENERS: Final = tuple(
    Listener(f"registry_{tld}_port", port, f"--{tld}-port", tld, ("--without", tld))
    for tld, port in {"info": 8106, "fr": 8107, "com": 8108}.items()
)

REGISTRY_ROLE: Final[Role[DomainRegistry]] = Role(
    "registry",
    DomainRegistry,
    {"http": "perdure.providers.registry:HttpDomainRegistry"},
    default="http",
    ask=lambda registry: registry.find_renewal(ASKED_BY_DOCTOR),
    located_by="urls",
    simulator=Simulator(
        name="registries",
        commands={
            "registries": "perdure.simulators.commands:registries",
            "registry": "perdure.simulators.commands:registry",
        },
        listens=_LISTENERS,
        settings=_where_registries_are,
        has_faults=True,
    ),
    setting="PERDURE_REGISTRIES",
)


def registry_name(tld: str) -> str:
    """Return a registry's name as a provider, as in its queue `provider-registry-fr`."""
    return f"registry-{tld}"


def tld_of(domain: str, tlds: Collection[str]) -> str:
    """Return which of these a domain belongs to: the longest that it ends in.

    Raises:
        InvalidInput: `unknown_tld`.
    """
    tld = longest_ending(domain, tlds)
    if tld is None:
        raise InvalidInput(
            f"{domain!r} belongs to no registry there is; its TLD has to be one of"
            f" {', '.join(sorted(tlds))}.",
            code=UNKNOWN_TLD,
            param="domain",
        )
    return tld


@dataclass(frozen=True, slots=True)
class RegistryDirectory:
    """Which registry answers for which TLD.

    Args:
        registries: By TLD, without the dot.
    """

    registries: Mapping[str, DomainRegistry]

    def registry_of(self, domain: str) -> DomainRegistry:
        """Return the registry that answers for a domain.

        Raises:
            InvalidInput: `unknown_tld`; the message lists the TLDs there are.
        """
        return self.registries[tld_of(domain, self.registries)]


@dataclass(frozen=True, slots=True)
class _Domains:
    data: list[RegisteredDomain]


@dataclass(frozen=True, slots=True)
class _Renewals:
    data: list[RegistryRenewal]


_DOMAINS: Final = TypeAdapter(_Domains)
_RENEWAL: Final = TypeAdapter(RegistryRenewal)
_RENEWALS: Final = TypeAdapter(_Renewals)


class HttpDomainRegistry:
    """A registry over HTTP.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
        tld: Which registry it is, for messages.
    """

    settings_type = HttpSettings

    def __init__(self, client: aiohttp.ClientSession, tld: str) -> None:
        self._http = ProviderHttp(
            client,
            f"The registry of .{tld}",
            refusals=REFUSALS,
            simulated_by=REGISTRY_ROLE.simulated_as(tld),
        )

    @classmethod
    def from_settings(cls, settings: HttpSettings, host: ProviderHost) -> Self:
        """Return the registry of the host's TLD at a URL."""
        return cls(host.http(settings), host.tld)

    async def domain(self, name: str) -> RegisteredDomain:
        """Return what the registry knows of a domain; see `DomainRegistry.domain`."""
        found = await self._http.read("/v1/domains", _DOMAINS, params={"name": name})
        if not found.data:
            raise _not_registered(name)
        return found.data[0]

    async def renew(
        self, *, reference: str, domain: str, current_expires_on: date, years: int
    ) -> RegistryRenewal:
        """Renew a domain; see `DomainRegistry.renew`."""
        body = {
            "reference": reference,
            "domain": domain,
            "current_expires_on": current_expires_on,
            "years": years,
        }
        try:
            return await self._http.act("/v1/renewals", body, _RENEWAL)
        except ProviderDeclined as declined:
            if declined.code == NOT_REGISTERED:
                raise _not_registered(domain) from declined
            raise

    async def find_renewal(self, reference: str) -> RegistryRenewal | None:
        """Ask for a renewal; where there are several, the first: the others are not ours to use."""
        page = await self._http.read("/v1/renewals", _RENEWALS, params={"reference": reference})
        return page.data[0] if page.data else None

    async def undo_renewal(self, reference: str) -> RegistryRenewal:
        """Take a renewal back; see `DomainRegistry.undo_renewal`."""
        return await self._http.act("/v1/renewals/undo", {"reference": reference}, _RENEWAL)

    def books(self, since: datetime | None) -> AsyncIterator[RegistryRenewal]:  # noqa: ARG002 - it has all
        """Yield every renewal there is; see `TellsBooks`."""
        return self._http.read_all("/control/renewals", RegistryRenewal)


def _not_registered(domain: str) -> NotFound:
    return NotFound(
        f"{domain} is not registered; check how it is written.",
        code=NOT_REGISTERED,
        param="domain",
    )
