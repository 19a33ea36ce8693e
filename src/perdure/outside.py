"""The outside systems, each served by the class that a setting names."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic

from perdure.config import Settings
from perdure.providers.bank import BANK_ROLE, PayoutBank
from perdure.providers.choice import Provider, Role, Use
from perdure.providers.fraud_scorer import FRAUD_SCORER_ROLE, FraudScorer
from perdure.providers.gateway import GATEWAY_ROLE, PaymentGateway
from perdure.providers.host import ProviderHost
from perdure.providers.mail import MAIL_ROLE, Mailer
from perdure.providers.registry import REGISTRY_ROLE, DomainRegistry
from perdure.providers.sms import SMS_ROLE, SmsSender

ROLES: Final[tuple[Role[Any], ...]] = (
    GATEWAY_ROLE,
    FRAUD_SCORER_ROLE,
    MAIL_ROLE,
    SMS_ROLE,
    BANK_ROLE,
    REGISTRY_ROLE,
)
"""What the house's own kinds call; there is a registry for each TLD."""

_CONNECTIONS_WHERE_LAZY: Final = 10


@dataclass(frozen=True, slots=True)
class Outside:
    """All that a worker may call.

    Args:
        registries: By TLD.
        opens: What else a kind calls; see `provider`.
    """

    gateway: PaymentGateway
    bank: PayoutBank
    scorer: FraudScorer
    mail: Mailer
    sms: SmsSender
    registries: Mapping[str, DomainRegistry]
    opens: Callable[[Use[Any]], Any]
    timeout_s: float

    def provider(self, role: Role[Provider], *, timeout_s: float | None = None) -> Provider:
        """Return what serves a role of a kind's own, made by the class that `PERDURE_<ROLE>` names.

        It is closed with all others. Perdure's own settings say nothing of it: those of its class
        that have no beginning of their own begin with `PERDURE_<ROLE>_`.

        Raises:
            ConfigurationError: As `open_outside`.
        """
        chosen = os.environ.get(f"PERDURE_{role.name.upper()}") or role.default
        use = Use(role, chosen, self.timeout_s if timeout_s is None else timeout_s, {})
        made: Provider = self.opens(use)
        return made


@asynccontextmanager
async def open_outside(settings: Settings) -> AsyncIterator[Outside]:
    """Make the clients, and close them at the end.

    Raises:
        ConfigurationError: A setting names no class that can do it, or a class lacks a setting.
    """
    async with AsyncExitStack() as stack:

        def made(use: Use[Provider]) -> Provider:
            host = host_of(use, connections_max=settings.max_concurrent_activities)
            stack.push_async_callback(host.close)
            return use.make(host)

        yield Outside(
            gateway=made(use_of(GATEWAY_ROLE, settings)),
            bank=made(use_of(BANK_ROLE, settings)),
            scorer=made(use_of(FRAUD_SCORER_ROLE, settings)),
            mail=made(use_of(MAIL_ROLE, settings)),
            sms=made(use_of(SMS_ROLE, settings)),
            registries={tld: made(registry_use(tld, settings)) for tld in settings.tlds},
            opens=made,
            timeout_s=settings.provider_timeout_s,
        )


def uses(settings: Settings) -> list[Use[Any]]:
    """Return every outside system, with the class that serves it."""
    own = [use_of(role, settings) for role in ROLES if role is not REGISTRY_ROLE]
    return [*own, *(registry_use(tld, settings) for tld in settings.tlds)]


def use_of(role: Role[Provider], settings: Settings) -> Use[Provider]:
    """Return which class serves a role that is not the registries'."""
    given: dict[str, Any] = {
        field.removeprefix(f"{role.name}_"): value
        for field, value in settings
        if field.startswith(f"{role.name}_")
    }
    timeout_s = given.pop("timeout_s", settings.provider_timeout_s)
    return Use(role, getattr(settings, role.name), timeout_s, given)


def registry_use(tld: str, settings: Settings) -> Use[DomainRegistry]:
    """Return which class serves a TLD."""
    chosen = settings.registries.get(tld, REGISTRY_ROLE.default)
    given = {"url": settings.registry_urls[tld]} if tld in settings.registry_urls else {}
    return Use(REGISTRY_ROLE, chosen, settings.registry_timeout_s, given, tld)


def host_of(use: Use[Any], *, connections_max: int) -> ProviderHost:
    """Return what the class is given to work with."""
    return ProviderHost(timeout_s=use.timeout_s, connections_max=connections_max, tld=use.tld)


class LazyProvider(Generic[Provider]):
    """A provider that is made when it is first needed: not every process comes to that."""

    def __init__(self, use: Use[Provider]) -> None:
        self._use = use
        self._made: tuple[ProviderHost, Provider] | None = None

    async def get(self) -> Provider:
        """Return the provider.

        Raises:
            ConfigurationError: It cannot be made.
        """
        if self._made is None:
            host = host_of(self._use, connections_max=_CONNECTIONS_WHERE_LAZY)
            self._made = host, self._use.make(host)
        return self._made[1]

    async def close(self) -> None:
        """Close it, if it was made."""
        if self._made is not None:
            await self._made[0].close()
