"""Whom transfers call."""

from typing import Any

from perdure.config import Settings
from perdure.outside import use_of
from perdure.providers.bank import BANK_ROLE
from perdure.providers.choice import Use


def uses(settings: Settings) -> list[Use[Any]]:
    """Return the outside systems, with the class that serves each."""
    return [use_of(BANK_ROLE, settings)]
