"""The servers that the contracts' tests run on, as fixtures of pytest.

    # conftest.py
    pytest_plugins = ["perdure.testing.plugin"]

`DATABASE_URL` and `TEMPORAL_ADDRESS` name servers to use; where they are not set, PostgreSQL and
Temporal's dev server are started for the session.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client

# So that its tests say what was compared.
pytest.register_assert_rewrite("perdure.testing.kind_contract", "perdure.testing.scene")

from perdure.testing.kind_contract import KindContract, open_scene  # noqa: E402
from perdure.testing.scene import Scene  # noqa: E402
from perdure.testing.servers import postgres_server, temporal_server  # noqa: E402


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The PostgreSQL server under test."""
    with postgres_server(tmp_path_factory.mktemp("pg")) as url:
        yield url


@pytest.fixture(scope="session")
async def temporal_client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client of the Temporal server under test."""
    async with temporal_server(tmp_path_factory.mktemp("temporal")) as client:
        yield client


@pytest.fixture(scope="class")
async def scene(
    request: pytest.FixtureRequest,
    postgres_url: str,
    temporal_client: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Scene]:
    """The platform with the kind under test, and the wire to its provider."""
    contract: KindContract = request.cls()
    folder = tmp_path_factory.mktemp("scene")
    async with open_scene(contract, postgres_url, temporal_client, folder) as opened:
        yield opened
