"""What commands take: by the same rules as the API."""

from pathlib import Path

import pytest

from .conftest import House
from .shell import Shell

ESCAPE, TOO_EARLY = "a\x1b[31mb", "0001-01-01T00:00:00+14:00"


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        (("operations", "park", "pay_x", "--reason", ESCAPE), "reason"),
        (("operations", "park", "pay_x", "--reason", "two\nlines"), "reason"),
        (("keys", "create", "k", "--scope", "admin", "--customer", "cus\n1"), "customer"),
        (("ledger", "open", ESCAPE, "USD"), "customer"),
        (("ledger", "open", "cus_1", "USD", "--name", ESCAPE), "name"),
        (("flags", "disable", "renewals-engine", "--reason", ESCAPE), "reason"),
        (
            ("bulk", "create", "park", "--reason", "r", "--created-after", TOO_EARLY),
            "created_after",
        ),
        (("domains", "show", "caf\udce9.info"), "not UTF-8"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_what_is_no_text_and_no_time_is_refused(
    shell: Shell, arguments: tuple[str, ...], param: str
) -> None:
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert param in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


async def test_a_customer_is_the_same_however_it_is_typed(shell: Shell, house: House) -> None:
    opened = shell.json("ledger", "open", " Zoe\u0308 ", "USD", "--name", "山田\u3000👩\u200d💻")
    assert (opened["customer_id"], opened["name"]) == ("Zoë", "山田\u3000👩\u200d💻")
    for typed in ("Zoë", "Zoe\u0308"):
        found = shell.json("ledger", "accounts", "--customer", typed)["data"]
        assert [account["id"] for account in found] == [opened["id"]]
    deposits = [
        shell.json("ledger", "deposit", opened["id"], "100", "--reference", reference)["id"]
        for reference in ("re\u0301f", "réf ")
    ]
    assert deposits[0] == deposits[1]
    key = shell.json("keys", "create", "zoe", "--scope", "admin", "--customer", "Zoe\u0308")
    assert key["customer_id"] == "Zoë"
