"""The import as a process of its own: killed, interrupted, and run again."""

import asyncio
import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from perdure.payments.commands import report_path
from perdure.payments.import_file import COLUMNS_REQUIRED
from tests.polls import eventually

from .conftest import House
from .shell import ServedApi

ROWS = 4_000
BAD_LINES = {2, 500, 1_999, 4_001}


def write_file(path: Path, house: House, rows: int) -> None:
    """Write lines 2, 3 and so on; a bad one now and then."""
    with path.open("w") as file:
        file.write(",".join(COLUMNS_REQUIRED) + "\n")
        for line in range(2, rows + 2):
            amount = "one" if line in BAD_LINES else "1"
            account = f"{house.customer_id},{house.account_id}"
            file.write(f"ref-{line},{account},{amount},USD,tok_ok\n")


@pytest.fixture
def begin(api: ServedApi, tmp_path: Path) -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Start an import at the API under test."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")
    }
    environment |= {
        "PERDURE_API_URL": api.url,
        "PERDURE_API_KEY": api.key,
        "PERDURE_DATA_DIR": str(tmp_path / "data"),
    }

    def start(path: Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "perdure.cli.main", "payments", "import", str(path)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    # What a shell runs in the background ignores Ctrl-C, and so would the import.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield start
    signal.signal(signal.SIGINT, before)


async def accepted(house: House) -> int:
    found: int = await house.pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", house.customer_id
    )
    return found


async def until_some_are_accepted(house: House, process: "subprocess.Popen[str]") -> None:
    async def some() -> int:
        assert process.poll() is None, process.communicate()
        return await accepted(house)

    await eventually(some, pause_s=0.005)


async def carry_out(house: House) -> None:
    """Do what lanes do: have payments come to their ends, a hundred at a time."""
    while True:
        await house.pool.execute(
            "UPDATE operations SET status = 'succeeded', finished_at = now() WHERE id IN ("
            " SELECT id FROM operations WHERE customer_id = $1 AND finished_at IS NULL"
            " ORDER BY id LIMIT 100)",
            house.customer_id,
        )
        await asyncio.sleep(0.01)


async def end_of(process: "subprocess.Popen[str]", house: House) -> tuple[int, str, str]:
    working = asyncio.create_task(carry_out(house))
    try:
        out, err = await asyncio.to_thread(process.communicate, timeout=100)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    return process.returncode, out, err


def names_in(folder: Path) -> set[str]:
    return {found.name for found in folder.iterdir()}


def outcomes(path: Path) -> list[dict[str, str]]:
    with report_path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
async def test_an_import_that_is_stopped_and_run_again_has_one_outcome_for_each_row(
    house: House,
    tmp_path: Path,
    begin: Callable[[Path], "subprocess.Popen[str]"],
    stop: signal.Signals,
) -> None:
    path = tmp_path / "payments.csv"
    write_file(path, house, ROWS)
    first = begin(path)
    await until_some_are_accepted(house, first)
    first.send_signal(stop)
    _, err = await asyncio.to_thread(first.communicate, timeout=60)
    assert 0 < await accepted(house) < ROWS - len(BAD_LINES), "it was stopped in the middle"
    assert not report_path(path).exists()
    if stop == signal.SIGINT:
        assert first.returncode == 130, err
        assert "Run the same command again" in err.replace("\n", " ")
        assert "Traceback" not in err

    code, out, err = await end_of(begin(path), house)
    assert code == 1, err
    rows = outcomes(path)
    assert [int(row["line"]) for row in rows] == list(range(2, ROWS + 2))
    assert {int(row["line"]) for row in rows if row["status"] == "rejected"} == BAD_LINES
    stored = await house.pool.fetch(
        "SELECT id, reference, status FROM operations WHERE customer_id = $1", house.customer_id
    )
    assert len(stored) == ROWS - len(BAD_LINES)
    assert {(row["reference"], row["payment_id"], row["status"]) for row in rows} - {
        tuple(row[name] for name in ("reference", "id", "status")) for row in stored
    } == {(f"ref-{line}", "", "rejected") for line in BAD_LINES}
    assert re.search(rf"all +{ROWS}", out)
    assert names_in(tmp_path) == {"payments.csv", "payments.outcomes.csv"}
