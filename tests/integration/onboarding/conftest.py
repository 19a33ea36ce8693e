"""One office for the tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from temporalio.client import Client

from perdure.durable import options
from perdure.operations import waiting
from tests.pauses import short_pauses

from .office import Office, open_office


@pytest.fixture(scope="package", autouse=True)
def _short_pauses() -> Iterator[None]:
    with short_pauses(), pytest.MonkeyPatch.context() as patch:
        for profile in (options.PROVIDER_CALL_SOON, options.PROVIDER_OPTIONAL):
            patch.setattr(profile["retry_policy"], "initial_interval", timedelta(seconds=0.1))
        patch.setattr(waiting, "LOOK_AGAIN_S", 0.5)
        yield


@pytest.fixture(scope="package")
async def office(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """The whole platform with its verifier, on real servers; tests say what is followed up."""
    folder = tmp_path_factory.mktemp("office")
    async with open_office(postgres_url, temporal_client, folder) as opened:
        yield opened
