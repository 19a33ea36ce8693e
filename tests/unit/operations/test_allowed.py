"""What can be done next, for each way an operation may stand."""

from typing import Any

import pytest

from perdure.operations.allowed import Action, next_actions, why_not
from perdure.operations.model import CUSTOMERS_KEY, ParkRequest, Side, Status

from .operations import AT, CANCEL, PARK, operation

CANCEL_, CORRECT, PARK_ = Action.CANCEL, Action.CORRECT, Action.PARK
RELAUNCH, RELEASE = Action.RELAUNCH, Action.RELEASE


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (Status.PENDING, {}, {PARK_, CANCEL_}),
        (Status.PROCESSING, {}, {PARK_, CANCEL_}),
        (Status.PROCESSING, {"lane": 3}, {PARK_, CANCEL_}),
        (Status.WAITING, {}, {PARK_, CANCEL_}),
        (Status.UNKNOWN, {}, {PARK_, CANCEL_}),
        (Status.WAITING, {"cancel_request": CANCEL}, set()),
        (Status.NEEDS_ATTENTION, {}, {RELAUNCH, CORRECT, CANCEL_}),
        (
            Status.NEEDS_ATTENTION,
            {"park_request": PARK},
            {RELAUNCH, RELEASE, CORRECT, CANCEL_},
        ),
        (Status.NEEDS_ATTENTION, {"cancel_request": CANCEL}, {RELAUNCH}),
        (Status.NEEDS_ATTENTION, {"reversal_begun_at": AT}, {RELAUNCH}),
        (Status.REVERSING, {}, set()),
        (Status.REVERSING, {"reversal_begun_at": AT}, set()),
        (Status.SUCCEEDED, {}, set()),
        (Status.FAILED, {}, {RELAUNCH}),
        (Status.FAILED, {"reversal_begun_at": AT}, {RELAUNCH}),
        (Status.CANCELLED, {"cancel_request": CANCEL}, {RELAUNCH}),
        (Status.FAILED, {"relaunched_as": "pay_2"}, set()),
    ],
)
def test_what_can_be_done_next(
    status: Status, fields: dict[str, Any], expected: set[Action]
) -> None:
    assert set(next_actions(operation(status, **fields))) == expected


@pytest.mark.parametrize(
    ("action", "status", "fields", "code", "told"),
    [
        (RELAUNCH, Status.SUCCEEDED, {}, "not_relaunchable", "has succeeded"),
        (RELAUNCH, Status.WAITING, {}, "not_relaunchable", "goes on by itself"),
        (RELAUNCH, Status.FAILED, {"relaunched_as": "pay_2"}, "already_relaunched", "pay_2"),
        (PARK_, Status.FAILED, {}, "not_parkable", "already failed"),
        (PARK_, Status.REVERSING, {}, "not_parkable", "being undone"),
        (PARK_, Status.NEEDS_ATTENTION, {"park_request": PARK}, "already_parked", "ada"),
        (RELEASE, Status.NEEDS_ATTENTION, {}, "not_parked", "relaunch it"),
        (RELEASE, Status.SUCCEEDED, {}, "not_parked", "already succeeded"),
        (CORRECT, Status.WAITING, {}, "not_parked", "waiting"),
        (CORRECT, Status.NEEDS_ATTENTION, {"reversal_begun_at": AT}, "being_undone", "undone"),
        (CANCEL_, Status.SUCCEEDED, {}, "not_cancellable", "already succeeded"),
        (CANCEL_, Status.REVERSING, {}, "not_cancellable", "being undone"),
    ],
)
def test_a_no_says_why(
    action: Action, status: Status, fields: dict[str, Any], code: str, told: str
) -> None:
    refusal = why_not(operation(status, **fields), action)
    assert refusal is not None
    assert refusal.code == code
    assert told in refusal.message


def test_what_the_house_holds_no_customer_lifts() -> None:
    for status in (Status.NEEDS_ATTENTION, Status.WAITING):
        held = operation(status, park_request=PARK)
        assert next_actions(held, side=Side.CUSTOMER) == []
        for action in (*Action, None):
            refusal = why_not(held, action, side=Side.CUSTOMER)
            assert refusal is not None
            assert refusal.code == "held_by_house"
            assert PARK.actor not in refusal.message
    ended = operation(Status.FAILED, park_request=PARK)
    assert next_actions(ended, side=Side.CUSTOMER) == [RELAUNCH]


def test_what_a_customer_holds_is_the_customers_and_the_houses() -> None:
    park = ParkRequest(f"{CUSTOMERS_KEY}shop", "Wait.", AT, Status.WAITING)
    held = operation(Status.NEEDS_ATTENTION, park_request=park)
    own = {RELAUNCH, RELEASE, CORRECT, CANCEL_}
    assert set(next_actions(held, side=Side.CUSTOMER)) == own
    assert set(next_actions(held)) == own | {PARK_}
