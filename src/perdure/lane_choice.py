"""Which lane does an operation again that is one of many."""

from collections.abc import Callable, Container

from perdure.operations.lanes.store import lane_of
from perdure.operations.model import Operation
from perdure.operations.steps import from_json
from perdure.renewals.contracts import KIND, RenewalRequest
from perdure.renewals.desk import RenewalDesk


def lane_chooser(
    kinds: Container[str], lanes: int, renewals: RenewalDesk
) -> Callable[[Operation], int | None]:
    """Return what tells an operation's lane: as for the first time; None: it is of no such kind.

    Args:
        kinds: Those that have lanes.
        lanes: Over how many a flood of one kind is spread.
    """

    def lane_for(operation: Operation) -> int | None:
        if operation.kind not in kinds:
            return None
        if operation.kind == KIND:
            return renewals.lane_for(from_json(RenewalRequest, operation.input["request"]))
        return lane_of(operation.customer_id, lanes)

    return lane_for
