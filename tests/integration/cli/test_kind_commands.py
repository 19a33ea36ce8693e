"""The commands that payments and transfers share, as a shell runs them."""

from pathlib import Path

import pytest

from .conftest import House
from .shell import Shell


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.mark.parametrize(
    ("kind", "prefix", "own"),
    [
        ("payments", "pay_", ("--payment-method", "tok_ok")),
        ("transfers", "tfr_", ("--destination", "dest_ok")),
    ],
)
async def test_one_is_made_shown_listed_and_cancelled(
    house: House, shell: Shell, kind: str, prefix: str, own: tuple[str, str]
) -> None:
    whose = ("--customer", house.customer_id)
    made = shell.json(
        kind, "create", *whose, "--account", house.account_id, "--amount-minor", "1250", *own
    )
    assert made["id"].startswith(prefix)
    assert (made["status"], made["amount_minor"]) == ("pending", 1250)
    assert shell.json(kind, "get", made["id"]) == made
    shown = shell.run(kind, "show", made["id"])
    assert own[1] in shown.stdout
    assert "12.50 USD" in shown.stdout
    assert shell.json(kind, "list", *whose)["data"] == [made]
    cancelled = shell.json(kind, "cancel", made["id"], "--reason", "Wrong amount.")
    assert cancelled["accepted"]
    request = shell.json(kind, "get", made["id"])["cancel_request"]
    assert request["reason"] == "Wrong amount."


async def test_an_id_of_another_kind_is_refused(shell: Shell) -> None:
    done = shell.run("transfers", "get", "pay_01h455vb4pex5vsknk084sn02q")
    assert done.returncode == 1
    assert "not an id of this kind" in done.stderr
