"""Whom giftcards call."""

from typing import Any

from perdure.config import Settings
from perdure.outside import use_of
from perdure.providers.choice import Use
from perdure_giftcards.provider import GIFTCARDS


def uses(settings: Settings) -> list[Use[Any]]:
    """Return the outside systems, with the class that serves each."""
    return [use_of(GIFTCARDS, settings)]
