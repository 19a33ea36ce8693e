"""The variables that Perdure's processes read."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from pydantic import AliasChoices, AliasPath

from perdure.codec_server.settings import CodecServerSettings
from perdure.config import Settings
from perdure.core.settings import EnvironmentSettings, name_of
from perdure.observability.runtime import MetricsSettings
from perdure.outside import _settings_of, uses

OF_OTHERS: Final = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_TLS"}
"""Read by Temporal's own client."""


@cache
def known_settings() -> set[str]:
    """Return them all: of the house, of every kind, and of the outside systems' own clients."""
    outside = uses(Settings())
    found = set(OF_OTHERS)
    # What is named is read by processes of its own, or by none that this one has imported.
    kinds: set[type[EnvironmentSettings]] = {CodecServerSettings, MetricsSettings}
    for kind in kinds | {*_below(EnvironmentSettings)}:
        if prefix := kind.model_config.get("env_prefix"):
            found |= _names(prefix, kind)
    for use in outside:
        own = use.settings(use.load())
        found |= _names(use.prefix_of(own), type(own))
        found |= _names("PERDURE_", _settings_of(use.role, Settings()))
    return found


def _names(prefix: str, kind: type[EnvironmentSettings]) -> set[str]:
    return {
        name_of(prefix, key)
        for name, field in kind.model_fields.items()
        for key in _keys(name, field.validation_alias)
    }


def _keys(name: str, alias: str | AliasPath | AliasChoices | None) -> list[str]:
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else name]


def _below(kind: type[EnvironmentSettings]) -> Iterator[type[EnvironmentSettings]]:
    for found in kind.__subclasses__():
        yield found
        yield from _below(found)
