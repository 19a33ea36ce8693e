"""What a command needs of the platform, opened for as long as it runs."""

import asyncio
import getpass
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from perdure.bootstrap import Platform, open_platform
from perdure.cli.logs import LogStream
from perdure.config import Settings

Result = TypeVar("Result")


def run(command: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's coroutine to its end.

    It tells what went wrong itself: no more than warnings are logged.
    """
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(LogStream(sys.stderr)),  # type: ignore[arg-type]
    )
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
