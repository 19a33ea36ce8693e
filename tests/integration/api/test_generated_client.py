"""A client that openapi-python-client makes of `docs/openapi.json` works as it comes."""

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from .api_client import Api

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
NAME = "generated_perdure_client"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the package is; it can be imported."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            Path(sys.executable).with_name("openapi-python-client"),
            *("generate", "--path", DOCUMENT, "--meta", "none", "--config", config),
            *("--output-path", folder / NAME),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Warning" not in made.stdout, made.stdout
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
async def client(folder: Path, server: Api) -> AsyncIterator[Any]:
    made = importlib.import_module(f"{NAME}.client")
    async with made.AuthenticatedClient(
        base_url=str(server.http.base_url), token=server.secret
    ) as client:
        yield client


def route(name: str) -> Any:
    """The module of a route, by its operation id."""
    return importlib.import_module(f"{NAME}.api.{name.partition('_')[0]}.{name}")


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"{NAME}.models"), name)


async def test_every_route_is_a_method(folder: Path) -> None:
    made = {path.stem for path in (folder / NAME / "api").glob("*/*_*.py")} - {"__init__"}
    assert {"payments_create", "transfers_refund", "bulks_undo", "operations_correct"} <= made


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("payment", {"payment_method": "tok_ok"}),
        ("transfer", {"destination": "DE89370400440532013000"}),
    ],
)
async def test_one_is_made_looked_at_and_listed(
    client: Any, server: Api, kind: str, own: dict[str, str]
) -> None:
    wallet = await server.new_wallet(10_000)
    body = model(f"{kind.title()}Body")(
        customer_id=wallet.customer_id,
        account_id=wallet.account_id,
        amount_minor=1250,
        currency="USD",
        **own,
    )
    key = uuid4().hex
    made = await route(f"{kind}s_create").asyncio(client=client, body=body, idempotency_key=key)
    assert isinstance(made, model(f"{kind.title()}View"))
    assert (made.status, made.amount_minor) == ("pending", 1250)
    again = await route(f"{kind}s_create").asyncio_detailed(
        client=client, body=body, idempotency_key=key
    )
    assert (again.parsed.id, again.headers["Idempotent-Replayed"]) == (made.id, "true")
    found = await route(f"{kind}s_get").asyncio(made.id, client=client)
    assert found.to_dict() == made.to_dict()
    listed = await route(f"{kind}s_list").asyncio(client=client, customer_id=wallet.customer_id)
    assert ([one.id for one in listed.data], listed.has_more) == ([made.id], False)


async def test_an_error_is_one_of_its_own(client: Any) -> None:
    answer = await route("operations_get").asyncio_detailed("pay_nobodys", client=client)
    assert answer.status_code == 404
    assert isinstance(answer.parsed, model("ErrorBody"))
    assert answer.parsed.error.code == "operation_not_found"
