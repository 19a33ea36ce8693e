"""The outside systems, each served by the class that a setting names."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Generic

from pydantic import Field, create_model
from pydantic_settings import SettingsConfigDict

from perdure.capabilities import attribute, installed
from perdure.config import Settings
from perdure.core.settings import EnvironmentSettings
from perdure.core.threads import Threads
from perdure.providers.choice import Provider, Role, Use
from perdure.providers.host import ProviderHost
from perdure.providers.mail import MAIL_ROLE
from perdure.providers.sms import SMS_ROLE

_CONNECTIONS_WHERE_LAZY: Final = 10
_API_URL: Final = "http://127.0.0.1:8080"
"""Where the API is that nothing is told of."""


class Outside:
    """Makes the clients of the outside systems.

    Args:
        stack: Closes them.
    """

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack

    def provider(self, role: Role[Provider], *, timeout_s: float | None = None) -> Provider:
        """Return what serves a role, made by the class that `PERDURE_<ROLE>` names.

        The settings of a class that have no beginning of their own begin with `PERDURE_<ROLE>_`.

        Raises:
            ConfigurationError: As `made`.
        """
        use = use_of(role, self._settings)
        return self.made(use if timeout_s is None else replace(use, timeout_s=timeout_s))

    def threads(self, name: str, at_once_max: int) -> Threads:
        """Return a pool of threads of its own for calls that block, closed as clients are."""
        threads = Threads(name, at_once_max)
        self._stack.push_async_callback(threads.close)
        return threads

    def made(self, use: Use[Provider]) -> Provider:
        """Return what serves an outside system.

        Raises:
            ConfigurationError: A setting names no class that can do it, or a class lacks a setting.
        """
        host = host_of(use, connections_max=self._settings.max_concurrent_activities)
        self._stack.push_async_callback(host.close)
        return use.make(host)


@asynccontextmanager
async def open_outside(settings: Settings) -> AsyncIterator[Outside]:
    """Close, at the end, the clients that are made meanwhile."""
    async with AsyncExitStack() as stack:
        yield Outside(settings, stack)


def uses(settings: Settings) -> list[Use[Any]]:
    """Return every outside system, with the class that serves it; once, whoever calls it."""
    found: list[Use[Any]] = []
    for kind in installed().values():
        found += [use_of(attribute(role), settings) for role in kind.calls]
        found += attribute(kind.outside)(settings) if kind.outside else []
    found += [use_of(MAIL_ROLE, settings), use_of(SMS_ROLE, settings)]
    return list({use.name: use for use in found}.values())


def use_of(role: Role[Provider], settings: Settings) -> Use[Provider]:
    """Return which class serves a role that one system has."""
    told = dict(settings.of(_settings_of(role, settings))) | (settings.model_extra or {})
    given: dict[str, Any] = {
        field.removeprefix(f"{role.name}_"): value
        for field, value in told.items()
        if field.startswith(f"{role.name}_")
    }
    return Use(
        role,
        told[role.name],
        given.pop("timeout_s"),
        given,
        callback_url=given.pop("callback_url", ""),
    )


def _settings_of(role: Role[Any], settings: Settings) -> type[EnvironmentSettings]:
    """Return what is told of a role, whatever class serves it, and of where our own client looks.

    Which is where its simulator is, if nothing else is told.
    """
    usual_s = role.timeout_s or settings.provider_timeout_s
    fields: dict[str, Any] = {
        role.name: (str, role.default),
        f"{role.name}_timeout_s": (float, Field(default=usual_s, gt=0, le=25)),
    }
    if role.callbacks:
        fields[f"{role.name}_callback_url"] = (str, f"{_API_URL}{role.callbacks}")
    if role.simulator:
        located = role.simulator.told.items()
        fields |= {f"{role.name}_{name}": (str | int, usual) for name, usual in located}
    kind = create_model(f"{role.name}_settings", __base__=EnvironmentSettings, **fields)
    kind.model_config = SettingsConfigDict(**kind.model_config | {"env_prefix": "PERDURE_"})
    return kind


def host_of(use: Use[Any], *, connections_max: int) -> ProviderHost:
    """Return what the class is given to work with."""
    return ProviderHost(timeout_s=use.timeout_s, connections_max=connections_max, tld=use.tld)


class LazyProvider(Generic[Provider]):
    """A provider that is made when it is first needed: not every process comes to that."""

    def __init__(self, use: Use[Provider]) -> None:
        self._use = use
        self._made: tuple[ProviderHost, Provider] | None = None

    async def get(self) -> Provider:
        """Return the provider.

        Raises:
            ConfigurationError: It cannot be made.
        """
        if self._made is None:
            host = host_of(self._use, connections_max=_CONNECTIONS_WHERE_LAZY)
            self._made = host, self._use.make(host)
        return self._made[1]

    async def close(self) -> None:
        """Close it, if it was made."""
        if self._made is not None:
            await self._made[0].close()
