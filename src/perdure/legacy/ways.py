"""The kinds that the system before Perdure also carries out."""

from collections.abc import Mapping

from perdure.capabilities import attribute, installed
from perdure.legacy.way import LegacyWay


def legacy_ways() -> Mapping[str, LegacyWay]:
    """Return each one's old way, by its name as in `operations.kind`."""
    return {name: attribute(one.legacy) for name, one in installed().items() if one.legacy}


def ways_by_plural() -> Mapping[str, LegacyWay]:
    """Return each one's old way, as commands call its kind."""
    return {installed()[name].plural: way for name, way in legacy_ways().items()}
