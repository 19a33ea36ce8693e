"""What a command needs of the platform, opened for as long as it runs."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from perdure.bootstrap import Platform, open_platform
from perdure.config import Settings

Result = TypeVar("Result")


def run(command: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's coroutine to its end."""
    return asyncio.run(command)


@asynccontextmanager
async def open_session(*, lazy: bool = True) -> AsyncIterator[Platform]:
    """Open the platform as the settings say.

    Raises:
        ConfigurationError: A setting is wrong or missing.
    """
    async with open_platform(
        Settings.load(), application_name="perdure-cli", lazy=lazy
    ) as platform:
        yield platform


def actor() -> str:
    """Return who runs the command, as trails call them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as containers have them
        return "cli"
