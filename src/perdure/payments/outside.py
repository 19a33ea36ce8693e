"""Whom payments call."""

from typing import Any

from perdure.config import Settings
from perdure.outside import use_of
from perdure.providers.choice import Use
from perdure.providers.fraud_scorer import FRAUD_SCORER_ROLE
from perdure.providers.gateway import GATEWAY_ROLE


def uses(settings: Settings) -> list[Use[Any]]:
    """Return the outside systems, with the class that serves each."""
    return [use_of(GATEWAY_ROLE, settings), use_of(FRAUD_SCORER_ROLE, settings)]
