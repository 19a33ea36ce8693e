"""One town for the tests of this folder, and one that is left alone."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from perdure.operations.janitor import LOCK
from tests.integration.payments.town import Town, open_town
from tests.polls import eventually


@pytest.fixture(scope="package")
async def town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """The whole platform with its providers, on real servers."""
    folder = tmp_path_factory.mktemp("town")
    async with open_town(postgres_url, temporal_client, folder) as opened:
        yield opened


@pytest.fixture(scope="package")
async def quiet_town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town whose janitor does not look, so that tests say who acts."""
    folder = tmp_path_factory.mktemp("quiet")
    async with open_town(
        postgres_url, temporal_client, folder, janitor_interval_s=86_400
    ) as opened:
        await _first_look(opened)
        yield opened


async def _first_look(town: Town) -> None:
    """Wait until the janitor has looked once: it begins with it, and then sleeps.

    Others hold locks for as long as they run: the worker's of its lanes.
    """
    await eventually(
        lambda: town.platform.pool.fetchval(
            "SELECT EXISTS (SELECT FROM janitor_marks) AND NOT EXISTS (SELECT FROM pg_locks"
            " JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND objid = $1 AND objsubid = 1"
            " AND datname = current_database())",
            LOCK,
        )
    )
