"""Pages, statuses and times as they are shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from perdure.api.bulk_schemas import IDS_MAX
from perdure.api.operation_schemas import TimelineQuery
from perdure.api.schemas import page_of
from perdure.config import Settings
from perdure.core.errors import InvalidInput
from perdure.core.ids import new_id
from perdure.operations.model import FINISHED, Status
from perdure.operations.reporting import TimelineCursor
from perdure.payments.capability import public_status
from perdure.payments.contracts import PaymentStatus


class Number(BaseModel):
    value: int


def number(value: int) -> Number:
    return Number(value=value)


@given(total=st.integers(0, 30), limit=st.integers(1, 10))
def test_pages_in_either_direction_show_everything_once(total: int, limit: int) -> None:
    newest_first = list(range(total))[::-1]
    shown: list[int] = []
    while True:
        rest = [value for value in newest_first if not shown or value < shown[-1]]
        page = page_of(rest[: limit + 1], limit, number, "/")
        shown += [item.value for item in page.data]
        if not page.has_more:
            break
    assert shown == newest_first

    back: list[int] = []
    while True:
        newer = [value for value in newest_first if not back or value > back[0]]
        page = page_of(newer[-(limit + 1) :], limit, number, "/", backwards=True)
        back = [item.value for item in page.data] + back
        if not page.has_more:
            break
    assert back == newest_first


def test_every_status_has_a_public_word() -> None:
    words = {status: public_status(status) for status in Status}
    assert words[Status.PENDING] == PaymentStatus.PENDING
    assert words[Status.SUCCEEDED] == PaymentStatus.SUCCESS
    assert words[Status.FAILED] == words[Status.CANCELLED] == PaymentStatus.FAIL
    open_ones = set(Status) - FINISHED - {Status.PENDING}
    assert {words[status] for status in open_ones} == {PaymentStatus.PROCESSING}


@pytest.mark.parametrize("given", ["", "attempt_", "attempt_x", "x17", "-1", "1" * 19, "\u0661"])
def test_a_timelines_cursor_is_one_of_its_ids(given: str) -> None:
    query = TimelineQuery.model_construct(starting_after=given)
    with pytest.raises(InvalidInput) as refusal:
        query.cursor()
    assert (refusal.value.code, refusal.value.param) == ("invalid_cursor", "starting_after")


def test_a_timelines_cursor_is_an_entry_or_an_attempt() -> None:
    assert TimelineQuery().cursor() is None
    assert TimelineQuery(starting_after="17").cursor() == TimelineCursor(False, 17)
    assert TimelineQuery(starting_after="attempt_17").cursor() == TimelineCursor(True, 17)


def test_the_ids_of_the_largest_bulk_are_no_body_too_large() -> None:
    ids = [new_id("pay")] * IDS_MAX
    body = json.dumps({"action": "relaunch", "reason": "The gateway is back.", "ids": ids})
    assert len(body) < Settings().api_body_bytes_max
