"""Operations as they may stand, without a database."""

from datetime import UTC, datetime
from typing import Any

from perdure.operations.model import CancelRequest, Operation, ParkRequest, Status

AT = datetime(2026, 11, 21, tzinfo=UTC)
PARK = ParkRequest("ada", "Looking into it.", AT, Status.WAITING)
CANCEL = CancelRequest("ada", "Not wanted.", AT)


def operation(status: Status, **fields: Any) -> Operation:
    values: dict[str, Any] = {
        "id": "pay_01h455vb4pex5vsknk084sn02q",
        "kind": "payment",
        "status": status,
        "customer_id": "cus_1",
        "reference": None,
        "input": {"request": {}},
        "result": None,
        "failure": None,
        "metadata": {},
        "cancel_request": None,
        "lane": None,
        "workflow_started_at": None,
        "created_at": AT,
        "updated_at": AT,
        "finished_at": None,
    }
    return Operation(**values | fields)
