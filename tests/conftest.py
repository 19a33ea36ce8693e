"""What every test may ask for: a migrated PostgreSQL and a Temporal server of its session."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog
from temporalio.client import Client

from perdure.cli.environment import SERVERS, leave_out_servers
from perdure.core.ports import LOOPBACK, hold_port
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.storage.pool import Pool, open_pool
from perdure.testing.plugin import scene

from .servers import migrated_database, postgres_server, tell, temporal_server

__all__ = ["scene"]

TESTS: Final = Path(__file__).parent
SMALL: Final = {"replay", "tidy", "unit"}
"""Folders whose files take a second or two."""


def pytest_configure(config: pytest.Config) -> None:
    """Have the tests' servers reached by what tests say alone, and errors logged plainly.

    With colours and variables, a logged error takes seconds.
    """
    if os.geteuid() == 0 and not config.option.basetemp:
        _keep_files_apart(config)
    embedded = {name: "here" for name in SERVERS if not os.environ.get(name)}
    leave_out_servers(os.environ, named_in=embedded)
    if "TEMPORAL_ADDRESS" in embedded:
        os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S"),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )


def _keep_files_apart(config: pytest.Config) -> None:
    """Have the session's files below a folder of its own.

    Below the common one, another session that starts would close it to PostgreSQL's user, whom root
    lets through: every server of this session would die.
    """
    folder = tempfile.mkdtemp(prefix="perdure-tests-")
    if os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder) == folder:
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Get Temporal's dev server before any test's time runs: at first it takes minutes."""
    if not os.environ.get("TEMPORAL_ADDRESS") and not session.config.option.collectonly:
        ensure_temporal_cli(tell)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have small files come last, so that a session's processes end at about the same time."""
    items.sort(key=lambda item: item.path.is_relative_to(TESTS) and _folder(item) in SMALL)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


@pytest.fixture
def own_port() -> Iterator[int]:
    """A port where nobody listens but whom the test starts there."""
    with hold_port(LOOPBACK, 0) as held:
        yield held.number


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The PostgreSQL server under test: `DATABASE_URL` where it is set, else the embedded one."""
    with postgres_server(tmp_path_factory.mktemp("pg")) as url:
        yield url


@pytest.fixture(scope="session")
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh migrated database, dropped at the end."""
    async with migrated_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The session's connection pool."""
    async with open_pool(database_url, size=20, application_name="perdure-tests") as opened:
        yield opened


@pytest.fixture(scope="session")
async def temporal_client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client of the Temporal server under test: `TEMPORAL_ADDRESS`, else the dev server."""
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as client:
        yield client
