"""Renewals, as the system before Perdure carries them out: a table, and a worker that polls it."""

from collections.abc import Mapping
from typing import Any, Final

from perdure.legacy.way import LegacyWay

RENEW: Final = "renew"
"""The one internal status that a renewal has there: it is not half done, as far as it can tell."""


def _registry(renewal: Mapping[str, Any]) -> str:
    registry: str = renewal["registry"]
    return registry


WAY: Final = LegacyWay(
    first=RENEW,
    part=_registry,
    worker="perdure.renewals.legacy.on_machine:run_worker",
)
