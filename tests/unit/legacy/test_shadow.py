"""What Perdure would have done of a trade that the old system ended, and what differs (T-7)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from perdure.legacy.shadow import (
    FOR_GOOD,
    MEANINGS,
    Course,
    Difference,
    Ended,
    compare,
)
from perdure.notifications.contracts import Party
from perdure.operations.model import CancelRequest, Failure, Status
from perdure.operations.steps import to_json
from perdure.operations.waiting import TRIES_MAX
from perdure.trades.contracts import TradeInput, TradeRequest
from perdure.trades.legacy.plan import plan
from tests.unit.operations.operations import AT, operation

REQUEST = TradeRequest(
    asset="GEM",
    quantity_lots=3,
    price_minor=200,
    currency="USD",
    trade_number=1,
    buy_order_id="ord_1",
    buyer_customer_id="cus_1",
    buyer_account_id="acc_buyer",
    buyer_fee_minor=6,
    sell_order_id="ord_2",
    seller_customer_id="cus_2",
    seller_account_id="acc_seller",
    seller_fee_minor=3,
    buyer=Party("Ada", "ada@example.com"),
)
TRADE = TradeInput("trd_01h455vb4pex5vsknk084sn02q", REQUEST)
BLOCKED = {"block_id": "blk_1", "status": "blocked"}
DELIVERED = {"block_id": "blk_1", "status": "delivered"}
MOVED = {"transfer_id": "wtr_1", "status": "done"}
ALL = {"block_asset": BLOCKED, "move_money": MOVED, "deliver_asset": DELIVERED}
FORWARD = list(ALL)


def ended(
    done: Mapping[str, Any], *, failed_at: str | None = None, code: str = "recipient_frozen"
) -> Ended:
    status = Status.SUCCEEDED
    if failed_at is not None:
        status = Status.CANCELLED if code == "cancelled" else Status.FAILED
    return Ended(
        operation(
            status,
            id=TRADE.operation_id,
            kind="trade",
            input=to_json(TRADE),
            failure=Failure(code, "No.") if failed_at else None,
            cancel_request=CancelRequest("ada", "No.", AT) if code == "cancelled" else None,
        ),
        done,
        failed_at,
    )


@pytest.mark.parametrize(
    ("one", "calls", "end", "entries"),
    [
        (ended(ALL), FORWARD, ("succeeded", None), 4),
        (ended({}, failed_at="block_asset"), [], ("failed", "recipient_frozen"), 2),
        (
            ended({"block_asset": BLOCKED}, failed_at="move_money", code="cancelled"),
            ["block_asset", "unblock_asset"],
            ("cancelled", "cancelled"),
            2,
        ),
        (
            ended({"block_asset": BLOCKED, "move_money": MOVED}, failed_at="deliver_asset"),
            ["block_asset", "move_money", "return_money", "unblock_asset"],
            ("failed", "recipient_frozen"),
            2,
        ),
    ],
    ids=["succeeded", "nothing blocked", "called off", "not delivered"],
)
async def test_perdures_own_script_says_what_would_have_been_done_t7(
    one: Ended, calls: list[str], end: tuple[str, str | None], entries: int
) -> None:
    course = await plan(one)
    assert course.calls == calls
    assert {asked["reference"] for asked in course.asked} <= {TRADE.operation_id}
    assert (course.end["status"], course.end["failure"]) == end
    assert len(course.money) == entries
    # Of both sides only the buyer has said where.
    assert [message[:3] for message in course.messages] == [["buyer", "email", "ada@example.com"]]
    assert compare(course, await plan(one), one).difference is None


def other_amount(course: Course) -> None:
    course.asked[1] = {**course.asked[1], "amount_minor": 605}


def other_order(course: Course) -> None:
    course.calls[:2] = reversed(course.calls[:2])


def not_paid(course: Course) -> None:
    course.money.popitem()


def not_told(course: Course) -> None:
    course.messages.clear()


def other_result(course: Course) -> None:
    course.end["result"] = {}


def called_twice(course: Course) -> None:
    course.calls.append("move_money")
    course.asked.append(course.asked[1])


@pytest.mark.parametrize(
    ("harm", "difference"),
    [
        (other_amount, Difference.ASKED),
        (other_order, Difference.CALLS),
        (called_twice, Difference.CALLS),
        (not_paid, Difference.MONEY),
        (not_told, Difference.MESSAGES),
        (other_result, Difference.END),
    ],
)
async def test_what_was_done_otherwise_is_told_with_both_sides_t7(
    harm: Callable[[Course], None], difference: Difference
) -> None:
    one, found = ended(ALL), await plan(ended(ALL))
    harm(found)
    compared = compare(await plan(one), found, one)
    assert compared.difference is difference
    assert difference not in FOR_GOOD
    assert set(compared.parts[difference]) == {"perdure", "legacy"}


async def test_what_has_to_differ_is_told_as_such_t7() -> None:
    one = ended(ALL)
    course = await plan(one)
    assert compare(course, Course(), one).difference is Difference.NOT_RECORDED
    patient = replace(one, tries=TRIES_MAX + 1)
    assert compare(course, await plan(one), patient).difference is Difference.TRIED_LONGER
    off = ended({"block_asset": BLOCKED}, failed_at="move_money", code="cancelled")
    found = await plan(off)
    # The old system had moved the money, and found that only as it undid it.
    found.calls.insert(1, "return_money")
    assert compare(await plan(off), found, off).difference is Difference.CALLED_OFF
    assert {*MEANINGS} == {*Difference}
