"""What commands take: by the same rules as the API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.cli.bulk_options import read_ids
from perdure.cli.input_file import beside
from perdure.payments.import_file import COLUMNS_REQUIRED

from .conftest import House
from .shell import ServedApi, Shell

ESCAPE, TOO_EARLY = "a\x1b[31mb", "0001-01-01T00:00:00+14:00"


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


def _import_from_pipe(
    content: str, options: tuple[str, ...], api: ServedApi, folder: Path
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "perdure.cli.main", "payments", "import", *options, "--no-wait"],
        input=content,
        cwd=folder,
        env=os.environ | {"PERDURE_API_URL": api.url, "PERDURE_API_KEY": api.key},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "is_paid"),
    [(("/dev/stdin",), True), (("-", "--report", "nowhere/outcomes.csv"), False)],
)
async def test_a_file_from_a_pipe_is_paid_or_refused_before_its_first_row(
    house: House, api: ServedApi, tmp_path: Path, options: tuple[str, ...], is_paid: bool
) -> None:
    content = f"{','.join(COLUMNS_REQUIRED)}\nr,{house.customer_id},{house.account_id},1,USD,tok\n"
    done = _import_from_pipe(content, options, api, tmp_path)
    assert done.returncode == (0 if is_paid else 1), done.stderr
    counted = await house.pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", house.customer_id
    )
    assert counted == int(is_paid)
    assert (tmp_path / "stdin.outcomes.csv").exists() == is_paid
    assert is_paid or "nowhere/outcomes.csv" in done.stderr


def test_there_is_no_place_beside_what_comes_by_a_pipe() -> None:
    places = {
        str(beside(Path(path), ".outcomes.csv"))
        for path in ("-", "/dev/stdin", "/proc/self/fd/0", "/data/may.csv", "may.csv")
    }
    assert places == {
        "stdin.outcomes.csv",
        "0.outcomes.csv",
        "/data/may.outcomes.csv",
        "may.outcomes.csv",
    }


def test_a_file_of_ids_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes("\ufeffpay_1\r\npay_2 # the réf\r\n".encode())
    assert list(read_ids(file)) == [["pay_1", "pay_2"]]
