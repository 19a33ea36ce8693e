"""An import of any length holds a batch, and a page of outcomes: nothing grows with the file."""

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perdure.core.ids import new_id
from perdure.payments.commands import report_path
from perdure.payments.import_file import COLUMNS_REQUIRED
from perdure.payments.importing import import_payments


class _Api:
    """Accepts everything, remembers nothing, and says that all of it has succeeded."""

    def post(self, path: str, body: Mapping[str, Any], *, with_key: bool = True) -> Any:
        if path.endswith("/statuses"):
            return {"data": [one | {"id": name} for one in [_DONE] for name in body["ids"]]}
        return {"data": [_TAKEN | {"id": new_id("pay")} for _ in body["items"]]}

    def close(self) -> None: ...


_TAKEN = {"status": "pending", "failure": None}
_DONE = {"status": "succeeded", "failure": None}


async def peak_bytes(path: Path, rows: int) -> int:
    with path.open("w") as file:
        file.write(",".join(COLUMNS_REQUIRED) + "\n")
        file.writelines(f"ref-{number},cus_1,acc_1,1,USD,tok_ok\n" for number in range(rows))
    tracemalloc.start()
    try:
        summary = await import_payments(_Api, path, report_path(path))
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
