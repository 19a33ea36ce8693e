"""An import of any length holds a batch, and a page of outcomes: nothing grows with the file."""

import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from perdure.bootstrap import Platform
from perdure.core.ids import new_id
from perdure.operations.model import Operation, Status
from perdure.operations.service import OperationService
from perdure.payments.commands import report_path
from perdure.payments.contracts import KIND, PaymentRequest
from perdure.payments.import_file import COLUMNS_REQUIRED
from perdure.payments.on_machine import import_payments
from perdure.storage.pool import Connection


class _NoEngine:
    async def run_lane(self, kind: str, lane: int) -> None: ...


class _NoDatabase:
    """Everything that is asked after has succeeded."""

    async def fetch(self, _: str, payment_ids: list[str]) -> list[dict[str, Any]]:
        return [{"id": name, "status": "succeeded", "failure": None} for name in payment_ids]


class _Operations(OperationService):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        yield cast("Connection", None)


class _Acceptance:
    """Accepts everything, and remembers nothing."""

    async def accept_many(
        self, _: Connection, requests: Sequence[PaymentRequest], *, lanes: list[int], **__: Any
    ) -> list[Operation]:
        now = datetime.now(UTC)
        return [
            Operation(
                id=new_id("pay"),
                kind=KIND,
                status=Status.PENDING,
                customer_id=request.customer_id,
                reference=request.reference,
                input={},
                result=None,
                failure=None,
                metadata={},
                cancel_request=None,
                lane=lane,
                workflow_started_at=None,
                created_at=now,
                updated_at=now,
                finished_at=None,
            )
            for request, lane in zip(requests, lanes, strict=True)
        ]


async def peak_bytes(path: Path, rows: int) -> int:
    with path.open("w") as file:
        file.write(",".join(COLUMNS_REQUIRED) + "\n")
        file.writelines(f"ref-{number},cus_1,acc_1,1,USD,tok_ok\n" for number in range(rows))
    database = cast("Any", _NoDatabase())
    platform: Any = SimpleNamespace(
        pool=database,
        operations=_Operations(database, cast("Any", _NoEngine())),
        kinds=SimpleNamespace(own=lambda _: _Acceptance()),
        settings=SimpleNamespace(lanes=4),
    )
    tracemalloc.start()
    try:
        summary = await import_payments(cast("Platform", platform), path, report_path(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert summary.by_status == {"succeeded": rows}
    assert report_path(path).read_text().count("\n") == rows + 1
    return peak


async def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    await peak_bytes(tmp_path / "first.csv", 100)  # what is imported and cached once
    small = await peak_bytes(tmp_path / "small.csv", 1_000)
    large = await peak_bytes(tmp_path / "large.csv", 10_000)
    # Ten times the rows; what is in flight at a time varies with how busy the machine is.
    assert large < 2 * small
