"""Pages, statuses and times as they are shown."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from perdure.api.operation_schemas import timeline
from perdure.api.payment_schemas import public_status
from perdure.api.schemas import page_of
from perdure.operations.model import FINISHED, Side, Status, StepAttempt, TrailEntry
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


def test_a_timeline_is_in_the_order_of_time() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def entry(seconds: int) -> TrailEntry:
        at = start + timedelta(seconds=seconds)
        return TrailEntry(seconds, "pay_1", at, "system", "moved", Status.PROCESSING, None, None)

    def attempt(seconds: int) -> StepAttempt:
        at = start + timedelta(seconds=seconds)
        return StepAttempt("charge", 1, "succeeded", None, None, at, at)

    merged = timeline([entry(0), entry(2)], [attempt(1), attempt(3)], "/", Side.HOUSE)
    assert [item.object for item in merged.data] == ["operation_event", "step_attempt"] * 2
    times = [item.at for item in merged.data]
    assert times == sorted(times)
