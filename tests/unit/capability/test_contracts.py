"""How an error closes an operation."""

import pytest

from perdure.capability.contracts import Failure, failure_of
from perdure.core.errors import OperationCancelled, PerdureError, Refused


@pytest.mark.parametrize(
    ("error", "cancelled"),
    [(OperationCancelled("x"), True), (Refused("x"), False), (PerdureError("x"), False)],
)
def test_a_cancel_closes_as_cancelled_and_anything_else_as_failed(
    error: PerdureError, cancelled: bool
) -> None:
    assert failure_of(error) == Failure(error.code, "x", cancelled, None)
