"""Which class serves an outside system: chosen by a setting, found by name, checked, and made.

A package brings one by an entry point, whose name is what the setting says:

    [project.entry-points."perdure.providers"]
    acme = "acme_pay.gateway:AcmeGateway"

Only the class that a setting names is imported.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Generic, TypeVar

from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings
from perdure.providers.host import ProviderHost
from perdure.providers.simulator import Simulator

GROUP: Final = "perdure.providers"

ASKED_BY_DOCTOR: Final = "perdure-doctor"
"""The reference that nobody has, by which `perdure doctor` asks."""

Provider = TypeVar("Provider")


@dataclass(frozen=True, slots=True)
class Role(Generic[Provider]):
    """What an outside system does for us.

    Args:
        name: In lower case; the setting is called after it.
        protocol: What a class has to be able to do.
        built_in: The classes of Perdure's own, by name, as `module:Class`.
        default: Which of them it is where nobody says.
        ask: Asks one something that has no effect, to see whether it answers us.
        located_by: The field that says where Perdure's own client finds it.
        timeout_s: The longest wait for an answer, in seconds, where no setting says otherwise;
            None: `PERDURE_PROVIDER_TIMEOUT_S`.
        callbacks: The API's path that it tells us at how something ended; None: it does not.
        simulator: Stands in for it where Perdure's own client is told nothing.
        setting: The variable that names the class of each, where there are several of them.
    """

    name: str
    protocol: type[Any]
    built_in: Mapping[str, str]
    default: str
    ask: Callable[[Provider], Awaitable[object]]
    located_by: str = "url"
    timeout_s: float | None = None
    callbacks: str | None = None
    simulator: Simulator | None = None
    setting: str = ""

    @property
    def prefix(self) -> str:
        """What the settings of all that serve it begin with."""
        return f"PERDURE_{self.name.upper()}_"

    def at(self, url: str, tld: str = "", *, timeout_s: float = 30.0) -> "Use[Provider]":
        """Return Perdure's own client of one that is at a URL."""
        return Use(self, self.default, timeout_s, {"url": url}, tld)

    def simulated_as(self, tld: str = "") -> str:
        """Return what a simulator of it says that it is."""
        name = self.name.replace("_", "-")
        return f"{name}-{tld}" if tld else name


@dataclass(frozen=True, slots=True)
class Use(Generic[Provider]):
    """An outside system that is called, and the class that serves it.

    Args:
        chosen: The class's name.
        timeout_s: The longest wait for an answer, in seconds.
        given: The settings of Perdure's own class that are known already.
        tld: Whose registry it is; empty: it is none.
        callback_url: Where it tells us how something ended; empty: it does not.
    """

    role: Role[Provider]
    chosen: str
    timeout_s: float
    given: Mapping[str, Any]
    tld: str = ""
    callback_url: str = ""

    @property
    def name(self) -> str:
        """What it is called: `gateway`, `registry-fr`."""
        return f"{self.role.name}-{self.tld}" if self.tld else self.role.name

    @property
    def setting(self) -> str:
        """The variable that names the class."""
        return self.role.setting or f"PERDURE_{self.role.name.upper()}"

    @property
    def is_default(self) -> bool:
        """Whether it is the class that speaks as our simulators do."""
        return self.chosen == self.role.default

    @property
    def prefix(self) -> str:
        """What the settings of a class begin with that has no beginning of its own."""
        tld = "".join(letter if letter.isalnum() else "_" for letter in self.tld.upper())
        return f"{self.role.prefix}{f'{tld}_' if tld else ''}"

    @property
    def located_by(self) -> str:
        """The variable that says where Perdure's own client finds it."""
        return f"{self.role.prefix}{self.role.located_by.upper()}"

    def prefix_of(self, kind: EnvironmentSettings | type[EnvironmentSettings]) -> str:
        """Return what the variables of a class's settings begin with."""
        return kind.model_config.get("env_prefix") or self.prefix

    def load(self) -> type[Any]:
        """Return the class.

        Raises:
            ConfigurationError: There is none of that name, it cannot be imported, or it cannot do
                what it has to.
        """
        place, package = self._find()
        try:
            found = _imported(place)
        except ModuleNotFoundError as error:
            extra = f"; install perdure[{self.chosen}]" if package == "perdure" else ""
            raise self._wrong(package, f"cannot be imported: {_said(error)}{extra}") from error
        except Exception as error:
            raise self._wrong(package, f"cannot be imported: {_said(error)}") from error
        if not inspect.isclass(found):
            raise self._wrong(package, f"{place} is no class")
        if lacks := list(_lacks(found, self.role.protocol)):
            what = f"{place} is no {self.role.protocol.__name__}: {'; '.join(lacks)}"
            raise self._wrong(package, what)
        return found

    def settings(self, found: type[Any]) -> EnvironmentSettings:
        """Return the settings of the class.

        Raises:
            ConfigurationError: One is wrong or missing.
        """
        kind: type[EnvironmentSettings] = found.settings_type
        given = dict(self.given) if self.is_default else {}
        if self.callback_url and "callback_url" in kind.model_fields:
            given["callback_url"] = self.callback_url
        try:
            return kind.read(prefix=self.prefix_of(kind), **given)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self}: {error.message}", param=error.param) from None

    def make(self, host: ProviderHost) -> Provider:
        """Return the provider, made by its class.

        Raises:
            ConfigurationError: As `load` and `settings`, or the class itself finds something wrong.
        """
        found = self.load()
        settings = self.settings(found)
        try:
            made: Provider = found.from_settings(settings, host)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self}: {error.message}", param=error.param) from None
        except Exception as error:
            # Its type alone: it was given secrets.
            what = f"{found.__module__}:{found.__name__} cannot be made: {type(error).__name__}"
            raise self._wrong(self._find()[1], what) from error
        return made

    def __str__(self) -> str:
        return f"{self.setting}={self.chosen}" + (f" (for .{self.tld})" if self.tld else "")

    def _find(self) -> tuple[str, str]:
        """Return where the class is, and of which package."""
        if place := self.role.built_in.get(self.chosen):
            return place, "perdure"
        others = entry_points(group=GROUP)
        if found := [entry for entry in others if entry.name == self.chosen]:
            packages = [_package_of(entry) for entry in found]
            if len(found) > 1:
                raise self._wrong("perdure", f"{' and '.join(packages)} both bring it")
            return found[0].value, packages[0]
        known = [*self.role.built_in, *(f"{one.name} (of {_package_of(one)})" for one in others)]
        raise ConfigurationError(
            f"{self}: there is no such provider; there are {', '.join(known)}.", param=self.setting
        )

    def _wrong(self, package: str, what: str) -> ConfigurationError:
        of = f" of {package}" if package != "perdure" else ""
        return ConfigurationError(f"{self}{of}: {what}.", param=self.setting)


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _said(error: Exception) -> str:
    """Return one line of it."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _package_of(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _lacks(found: type[Any], protocol: type[Any]) -> Iterator[str]:
    """Yield what a class cannot do, and has to."""
    kind = getattr(found, "settings_type", None)
    if not (inspect.isclass(kind) and issubclass(kind, EnvironmentSettings)):
        yield "it has no settings_type that is an EnvironmentSettings"
    if not callable(getattr(found, "from_settings", None)):
        yield "it has no from_settings(settings, host)"
    for name, asked in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(asked):
            continue
        has = getattr(found, name, None)
        if not callable(has):
            yield f"it has no {name}"
        elif inspect.iscoroutinefunction(asked) and not inspect.iscoroutinefunction(has):
            yield f"its {name} is not async"
        elif missing := _untaken(asked, has):
            yield f"its {name} takes no {', '.join(missing)}"


def _untaken(asked: Callable[..., Any], has: Callable[..., Any]) -> list[str]:
    """Return the arguments that are passed, and not taken."""
    takes = inspect.signature(has).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values()):
        return []
    return [name for name in inspect.signature(asked).parameters if name not in takes]
