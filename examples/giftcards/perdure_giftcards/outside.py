"""Whom giftcards call."""

from typing import Any

from perdure import Settings, Use, use_of
from perdure_giftcards.provider import GIFTCARDS


def uses(settings: Settings) -> list[Use[Any]]:
    """Return the outside systems, with the class that serves each."""
    return [use_of(GIFTCARDS, settings)]
