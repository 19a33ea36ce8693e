"""Queries as the database is asked them, and counts that have to be confirmed."""

import pytest
import sqlalchemy as sa

from perdure.core.errors import Conflict, InvalidInput
from perdure.operations.bulk.model import BulkQuery
from perdure.operations.bulk.selection import check_query, conditions
from perdure.operations.bulk.service import check_count, check_rate
from perdure.operations.model import Status


def sql(query: BulkQuery) -> str:
    return str(sa.and_(*conditions(query)))


def test_bulks_are_never_selected() -> None:
    assert sql(BulkQuery()) == "operations.kind != :kind_1"
    with pytest.raises(InvalidInput):
        check_query(BulkQuery(kind="bulk"))


def test_what_is_open_is_looked_for_in_the_index_of_what_is_open() -> None:
    assert "finished_at IS NULL" in sql(BulkQuery(status=Status.NEEDS_ATTENTION))
    assert "finished_at" not in sql(BulkQuery(status=Status.FAILED))


def test_every_criterion_is_asked_for() -> None:
    asked = sql(BulkQuery(failure_step="renew", provider="gateway", metadata={"a": "b"}))
    assert "provider_calls.provider" in asked
    assert "operations.failure" in asked
    assert "operations.metadata" in asked


@pytest.mark.parametrize(
    ("counted", "confirmed", "is_everything", "code"),
    [
        (0, None, False, "nothing_selected"),
        (101, None, False, "confirmation_required"),
        (1, None, True, "confirmation_required"),
        (100, 99, False, "count_changed"),
        (1_000_000, 100_000, True, "count_changed"),
    ],
)
def test_a_count_that_is_not_known_is_refused(
    *, counted: int, confirmed: int | None, is_everything: bool, code: str
) -> None:
    with pytest.raises(Conflict) as refused:
        check_count(counted, confirmed, is_everything=is_everything)
    assert refused.value.code == code


def test_a_count_that_is_known_passes() -> None:
    check_count(100, None)
    check_count(1_000_000, 1_000_000, is_everything=True)


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, 0.01, 10_001.0, float("inf"), float("nan")])
def test_a_rate_that_cannot_be_kept_is_refused(rate_per_s: float) -> None:
    with pytest.raises(InvalidInput):
        check_rate(rate_per_s)
