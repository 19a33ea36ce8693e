"""Whom renewals call: a registry for each TLD."""

from typing import Any

from perdure.config import Settings
from perdure.providers.choice import Use
from perdure.providers.registry import REGISTRY_ROLE, DomainRegistry
from perdure.renewals.settings import RenewalSettings


def uses(settings: Settings) -> list[Use[Any]]:
    """Return the outside systems, with the class that serves each."""
    own = settings.of(RenewalSettings)
    return [registry_use(tld, own) for tld in own.tlds]


def registry_use(tld: str, settings: RenewalSettings) -> Use[DomainRegistry]:
    """Return which class serves a TLD."""
    chosen = settings.registries.get(tld, REGISTRY_ROLE.default)
    given = {"url": settings.registry_urls[tld]} if tld in settings.registry_urls else {}
    return Use(REGISTRY_ROLE, chosen, settings.registry_timeout_s, given, tld)
