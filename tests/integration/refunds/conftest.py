"""One town for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.integration.payments.town import Town, open_town


@pytest.fixture(scope="package")
async def town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """The whole platform with its providers, on real servers."""
    folder = tmp_path_factory.mktemp("town")
    async with open_town(postgres_url, temporal_client, folder) as opened:
        yield opened
