"""Outside systems that routes ask, or hear from: a class for each process, by a setting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

from fastapi import FastAPI

from perdure.config import Settings
from perdure.outside import LazyProvider, use_of
from perdure.providers.choice import Role

Provider = TypeVar("Provider")

CALLBACK_CODES: Final = (
    "malformed_callback",
    "invalid_signature",
    "stale_callback",
    "internal_error",
    "database_unavailable",
)
"""The errors that who calls back is answered with."""


class RoutesProvider(Generic[Provider]):
    """The provider of a role, as routes have it: made when the first request needs it."""

    def __init__(self, role: Role[Provider]) -> None:
        self._role = role

    def check(self, settings: Settings) -> None:
        """Have what is wrong with its class end the start, not the first request.

        Raises:
            ConfigurationError: There is no such class, or it lacks a setting.
        """
        use = use_of(self._role, settings)
        use.settings(use.load())

    async def get(self, app: FastAPI) -> Provider:
        """Return the provider of an application.

        Raises:
            ConfigurationError: It cannot be made.
        """
        return await self._of(app).get()

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Close it with the application."""
        try:
            yield
        finally:
            await self._of(app).close()

    def _of(self, app: FastAPI) -> LazyProvider[Provider]:
        name = f"provider_{self._role.name}"
        if not hasattr(app.state, name):
            setattr(app.state, name, LazyProvider(use_of(self._role, app.state.platform.settings)))
        found: LazyProvider[Provider] = getattr(app.state, name)
        return found
