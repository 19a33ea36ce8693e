"""Ten thousand operations, workers killed meanwhile, Sentry away for a while: one event for each
that broke down, and none for any other."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from perdure.cli.environment import read_environment
from perdure.operations.breakdowns import is_breakdown
from perdure.operations.model import Failure, Status
from tests.e2e.conftest import environment
from tests.e2e.running_up import Up
from tests.polls import eventually
from tests.receivers import Receiver, receiving

__all__ = ["environment"]

OPERATIONS: Final = int(os.environ.get("OPERATIONS", "10000"))
BATCH: Final = 200
KILLS: Final = 12
METHODS: Final = {
    "tok_ok": 60,
    "tok_declined": 10,
    "tok_flaky": 5,
    "tok_flaky_after_effect": 5,
    "tok_other_amount": 10,
    "tok_fraud_other_reference": 10,
}
BREAKS_DOWN: Final = {"tok_other_amount", "tok_fraud_other_reference"}


async def standing(folder: Path) -> list[dict[str, Any]]:
    """Return where each payment stands, as its row says."""
    url = read_environment(folder / "environment")["DATABASE_URL"]
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT id, status, failure->>'code' AS code, input->'request'->>'payment_method'"
            " AS method FROM operations WHERE kind = 'payment'"
        )
    finally:
        await connection.close()
    return [dict(row) for row in rows]


def kill_some(up: Up) -> None:
    names = [name for name in up.pids() if name.startswith("worker")]
    for name in random.sample(names, 2):
        os.kill(up.pids()[name], signal.SIGKILL)


def make_them(up: Up, told: Receiver) -> int:
    """Make the payments, kill workers between, and have Sentry away for a part of it."""
    methods = random.choices(list(METHODS), list(METHODS.values()), k=OPERATIONS)
    batches = [methods[first : first + BATCH] for first in range(0, OPERATIONS, BATCH)]
    kill_at = set(random.sample(range(len(batches)), min(KILLS, len(batches))))
    for number, batch in enumerate(batches):
        items = [up.payment | {"payment_method": method, "amount_minor": 100} for method in batch]
        answer = up.http.post("/v1/payments/batch", json={"items": items})
        assert answer.status_code == 200, answer.text
        told.takes = not len(batches) // 3 <= number < len(batches) // 2
        if number in kill_at:
            kill_some(up)
            time.sleep(1)
    told.takes = True
    return sum(method in BREAKS_DOWN for method in methods)


@pytest.mark.long
@pytest.mark.timeout(5400)
async def test_each_of_ten_thousand_that_breaks_down_is_told_of_once_t10(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with receiving() as told:
        up = Up(environment | told.environment, tmp_path / "data")
        try:
            up.wait_until_it_runs()
            expected = make_them(up, told)
            rows: list[dict[str, Any]] = []

            async def all_stand() -> bool:
                nonlocal rows
                rows = await standing(up.folder)
                open_ones = {"pending", "processing", "waiting", "unknown", "reversing"}
                return not any(row["status"] in open_ones for row in rows)

            await eventually(all_stand, within_s=4000, pause_s=5, why_not=lambda: by_status(rows))
            broken = {
                row["id"]
                for row in rows
                if is_breakdown(Status(row["status"]), Failure(row["code"] or "", ""))
            }

            def told_of() -> Counter[str]:
                ids = {one["event_id"]: one["tags"]["id"] for one in [*told.events]}
                return Counter(ids.values())

            async def all_told() -> bool:
                return broken <= set(told_of())

            await eventually(all_told, within_s=120, why_not=lambda: len(told_of()))
            sent, found = len(told.events), told_of()
            print(f"{by_status(rows)}; {len(found)} told of, in {sent} events")
            assert len(broken) == expected
            assert set(found) == broken
            assert set(found.values()) == {1}
        finally:
            up.close()


def by_status(rows: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["status"] for row in rows))
