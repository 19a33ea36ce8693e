"""A bulk of many, its workers killed while it runs: each operation is acted on once.

`make test-long` runs it; in the suite, a worker is killed in the middle of a bulk by test_bulks.

With more operations than a suite has time for, BULK_OPERATIONS=10000 in the environment.
"""

import asyncio
import csv
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from perdure.cli.environment import read_environment
from tests.e2e.conftest import PERDURE, environment, folder  # noqa: F401 - fixtures
from tests.e2e.running_up import Up, command
from tests.polls import eventually_without_a_loop

OPERATIONS = int(os.environ.get("BULK_OPERATIONS", "600"))
WHY = ("--reason", "the gateway is not itself")


def import_payments(given: dict[str, str], up: Up, count: int) -> None:
    """Have so many payments accepted, that wait for their turn at the gateway."""
    path = up.folder / "payments.csv"
    fixed = {name: up.payment[name] for name in ("customer_id", "account_id", "currency")}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*fixed, "reference", "amount_minor", "payment_method"])
        writer.writeheader()
        for number in range(count):
            row = {"reference": f"r{number}", "amount_minor": 1, "payment_method": "tok_ok"}
            writer.writerow(fixed | row)
    subprocess.run(
        [*PERDURE, "--data-dir", str(up.folder), "payments", "import", str(path), "--no-wait"],
        env=given,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def rows_of(up: Up, sql: str, *arguments: object) -> list[asyncpg.Record]:
    async def fetch() -> list[asyncpg.Record]:
        settings = read_environment(up.folder / "environment")
        connection = await asyncpg.connect(settings["DATABASE_URL"])
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def recorded(up: Up, bulk_id: str) -> tuple[int, int]:
    """Return how many items have an outcome, and how many operations say that it parked them."""
    (row,) = rows_of(
        up,
        "SELECT (SELECT count(*) FROM bulk_items WHERE bulk_id = $1 AND state = 'done') AS done,"
        " (SELECT count(*) FROM operation_trail WHERE action = 'parked'"
        " AND data->>'bulk_id' = $1) AS parked",
        bulk_id,
    )
    return row["done"], row["parked"]


def finished(bulk: dict[str, Any]) -> dict[str, Any]:
    """Return a bulk that has ended, or nothing."""
    return bulk if bulk["finished_at"] else {}


def wait_until_parked(up: Up, bulk_id: str, least: float, *, within_s: float) -> None:
    eventually_without_a_loop(
        lambda: recorded(up, bulk_id)[0] >= least, within_s=within_s, pause_s=0.1
    )


@pytest.mark.long
@pytest.mark.timeout(600 + OPERATIONS // 10)
def test_each_of_many_is_parked_once_whoever_is_killed(
    environment: dict[str, str],  # noqa: F811
    folder: Path,  # noqa: F811
) -> None:
    up = Up(environment, folder)
    bare = {name: value for name, value in environment.items() if not name.endswith("_PORT")}
    try:
        up.wait_until_it_runs()
        limit = {"per_second": 0.01, "reason": "so that they wait"}
        up.http.put("/v1/limits/gateway", json=limit).raise_for_status()
        import_payments(bare, up, OPERATIONS)
        bulk: dict[str, Any] = command(
            bare,
            folder,
            *("bulk", "create", "park", "--kind", "payment", *WHY, "--per-second", "500"),
            *("--yes", "--confirm-count", str(OPERATIONS)),
        )
        patience_s = 300 + OPERATIONS / 20
        for share, name in ((0.1, "lanes"), (0.3, "operations-1"), (0.5, "lanes"), (0.8, "lanes")):
            wait_until_parked(up, bulk["id"], share * OPERATIONS, within_s=patience_s)
            up.text = ""
            os.kill(up.pids()[f"worker-{name}"], signal.SIGKILL)
            up.read_until(f"worker-{name} was killed (signal 9); restarted", timeout_s=60)
            done, parked = recorded(up, bulk["id"])
            assert done == parked
        bulk = eventually_without_a_loop(
            lambda: finished(command(bare, folder, "bulk", "show", bulk["id"])),
            within_s=patience_s,
        )
        progress = bulk["progress"]
        assert bulk["status"] == "succeeded"
        # A payment or two had their turn at the gateway, and may have ended.
        assert progress["done"] + progress["refused"] == OPERATIONS, progress
        assert progress["done"] >= OPERATIONS - 10
        assert recorded(up, bulk["id"]) == (progress["done"], progress["done"])
        assert not rows_of(
            up,
            "SELECT FROM operation_trail WHERE action = 'parked' AND data->>'bulk_id' = $1"
            " GROUP BY operation_id HAVING count(*) > 1",
            bulk["id"],
        )
        assert command(bare, folder, "verify")["ok"]
    finally:
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGTERM)
            up.process.wait(60)
        up.close()
