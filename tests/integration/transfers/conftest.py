"""One town for the tests of this folder, and one that is left alone."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.integration.payments.town import Town, open_quiet_town, open_town


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
    async with open_quiet_town(postgres_url, temporal_client, folder) as opened:
        yield opened
