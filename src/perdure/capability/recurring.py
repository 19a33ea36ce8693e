"""What a kind does by itself, again and again: an operation at each time of a schedule."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.capabilities import attribute, installed
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings
from perdure.durable.schedules.contracts import Terms
from perdure.operations.model import Operation
from perdure.storage.pool import Connection

Own = Callable[[type[Any]], Any]
"""Returns what a wiring gave as its own, by its type; as `Kinds.own`."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """An operation that is taken in at each time of a schedule.

    Args:
        cron: When, where no setting says: minute, hour, day, month, weekday.
        help: What it is, in a line.
        accept: Stores the operation of a time, whose moment it is given; for a time that comes
            twice it is the same one.
    """

    cron: str
    help: str
    accept: Callable[[Own, Connection, datetime], Awaitable[Operation]]


def recurring() -> Mapping[str, Recurring]:
    """Return what recurs, of all kinds, by its name."""
    return {
        name: attribute(place)
        for kind in installed().values()
        for name, place in kind.schedules.items()
    }


class ScheduleSettings(EnvironmentSettings):
    """`PERDURE_SCHEDULES`, or a file that `PERDURE_SCHEDULES_FILE` names."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    schedules: dict[str, dict[str, str | int] | None] = Field(default_factory=dict)
    """When what recurs does, as JSON, by its name, where it is not as its kind declares it; null:
    it does not recur."""


def declared(settings: Settings) -> dict[str, Terms]:
    """Return when what recurs does: as its kind declares it, or the settings say.

    Raises:
        ConfigurationError: The settings name what does not recur, or terms that are none.
    """
    known = recurring()
    found = {name: Terms(one.cron) for name, one in known.items()}
    for name, said in settings.of(ScheduleSettings).schedules.items():
        if name not in known:
            raise _wrong(f"nothing that recurs is called {name}; there is {', '.join(known)}")
        if said is None:
            del found[name]
            continue
        try:
            terms = Terms(**{"cron": known[name].cron, **said})  # type: ignore[arg-type]
        except TypeError:
            raise _wrong(f"{name} has cron, timezone and catchup_s, and nothing else") from None
        if not (isinstance(terms.cron, str) and isinstance(terms.timezone, str)):
            raise _wrong(f"the cron and the timezone of {name} are texts")
        if not isinstance(terms.catchup_s, int) or terms.catchup_s < _CATCHUP_S_MIN:
            raise _wrong(f"catchup_s of {name} is {_CATCHUP_S_MIN} or more")
        found[name] = terms
    return found


_CATCHUP_S_MIN: Final = 10
"""Temporal's own least."""


def _wrong(told: str) -> ConfigurationError:
    name = "PERDURE_SCHEDULES"
    return ConfigurationError(f"The setting {name} is wrong: {told}.", param=name)
