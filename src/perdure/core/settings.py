"""Settings as the environment gives them; what is secret may stand in a file instead."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AliasChoices, AliasPath, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from perdure.core.errors import ConfigurationError, InvalidInput
from perdure.core.money import AMOUNT_MINOR_MAX, check_currency

_IN_FILE: Final = "_FILE"


def _known(table: dict[str, int]) -> dict[str, int]:
    for currency in table:
        try:
            check_currency(currency)
        except InvalidInput as error:
            raise ValueError(error.message.removesuffix(".")) from None
    return table


AmountMinor = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
ByCurrency = Annotated[dict[str, AmountMinor], AfterValidator(_known)]
"""As JSON, each in its currency's own minor units: `{"JPY": 1500000}`."""


class EnvironmentSettings(BaseSettings):
    """Settings that are read from the environment: each field is `<PREFIX><FIELD>`.

    Where `<PREFIX><FIELD>_FILE` is set instead, it names a file that holds the value. Without a
    prefix nothing is read. Values are in no error: one that is wrong may be a secret.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    @classmethod
    def read(cls, *, prefix: str | None = None, **given: Any) -> Self:
        """Read the settings.

        Args:
            prefix: What the variables begin with, where it is not the class's own.
            given: Fields that are known already.

        Raises:
            ConfigurationError: One is wrong or missing; the message names it.
        """
        prefix = cls.model_config.get("env_prefix", "") if prefix is None else prefix
        try:
            return cls(_env_prefix=prefix, **given)
        except ValidationError as error:
            raise _wrong(prefix, error) from None
        except SettingsError as error:
            # It could not be read as JSON. What it says is the field's name, in quotes.
            _, field, *_ = str(error).split('"')
            name = name_of(prefix, field)
            told = f"it is no JSON: {error.__cause__}"
            raise ConfigurationError(f"The setting {name} is wrong: {told}.", param=name) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - none is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - they have no names
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what was given, then what stands in files, then the environment."""
        prefix = getattr(env_settings, "env_prefix", "")
        if not prefix:  # USER and PASSWORD of the environment are nobody's here
            return (init_settings,)
        return init_settings, _Files(settings_cls, prefix), env_settings


def name_of(prefix: str, field: str) -> str:
    """Return the variable of a field; one that is given in capitals is a variable already."""
    return field if field.isupper() else f"{prefix}{field.upper()}"


class _Files(PydanticBaseSettingsSource):
    """The values whose variables name a file."""

    def __init__(self, settings_cls: type[BaseSettings], prefix: str) -> None:
        super().__init__(settings_cls)
        self._prefix = prefix

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a field's value, under which name, and whether it is JSON."""
        key = _key(field.validation_alias) or field_name
        name = name_of(self._prefix, key)
        path = os.environ.get(f"{name}{_IN_FILE}")
        if not path:
            return None, key, False
        if os.environ.get(name):
            raise ConfigurationError(
                f"Both {name} and {name}{_IN_FILE} are set; take one away.", param=name
            )
        return _content(f"{name}{_IN_FILE}", Path(path)), key, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, key, is_json = self.get_field_value(field, field_name)
            if value is None:
                continue
            try:
                found[key] = self.prepare_field_value(field_name, field, value, is_json)
            except ValueError as error:
                name = f"{name_of(self._prefix, key)}{_IN_FILE}"
                raise ConfigurationError(
                    f"The setting {name} is wrong: what the file holds is no JSON: {error}.",
                    param=name,
                ) from None
        return found


def _key(alias: str | AliasPath | AliasChoices | None) -> str | None:
    return alias if isinstance(alias, str) else None


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"{name} names {path}, which cannot be read: {why}.", param=name
        ) from None


def _wrong(prefix: str, error: ValidationError) -> ConfigurationError:
    first = error.errors(include_input=False, include_url=False)[0]
    told = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # it is about several of them
        return ConfigurationError(f"The settings {prefix}… are wrong: {told}.")
    field, *inside = (str(part) for part in first["loc"])
    name = name_of(prefix, field)
    if first["type"] == "missing" and not inside:
        return ConfigurationError(f"The setting {name} is missing.", param=name)
    where = f" at {_dotted(inside)}" if inside else ""
    return ConfigurationError(f"The setting {name} is wrong: {told}{where}.", param=name)


def _dotted(parts: Iterable[str]) -> str:
    return ".".join(parts)
