"""A customer sees its operations, and nothing of the house in them."""

from dataclasses import replace

import pytest

from perdure.operations.customer_view import attempt_seen_by, entry_seen_by, operation_seen_by
from perdure.operations.model import (
    CUSTOMERS_KEY,
    CancelRequest,
    Failure,
    ParkRequest,
    Side,
    Status,
    StepAttempt,
    TrailEntry,
)

from .operations import AT, operation

REASON = "Interpol asked."
OWN = f"{CUSTOMERS_KEY}shop"
HOUSES = ["cli:root", "key:ops", "janitor", "legacy", "demo"]


def entry(actor: str, action: str = "parked", status: Status = Status.PROCESSING) -> TrailEntry:
    data = {"bulk_id": "blk_1", "asked": REASON, "relaunched_as": "pay_2"}
    return TrailEntry(1, "pay_1", AT, actor, action, status, REASON, data)


@pytest.mark.parametrize("actor", HOUSES)
def test_an_entry_of_the_houses_says_that_it_is_the_houses(actor: str) -> None:
    seen = entry_seen_by(Side.CUSTOMER, entry(actor))
    assert (seen.actor, seen.reason, seen.data) == ("house", None, {"relaunched_as": "pay_2"})
    assert entry_seen_by(Side.HOUSE, entry(actor)) == entry(actor)


def test_what_is_its_own_and_what_happens_by_itself_is_shown() -> None:
    for shown in (entry(OWN), entry("system", "closed", Status.FAILED), entry("system")):
        assert entry_seen_by(Side.CUSTOMER, shown) == shown


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("closed", Status.CANCELLED),
        ("refunded", Status.SUCCEEDED),
        ("refund_cancelled", Status.SUCCEEDED),
        ("left_standing", Status.SUCCEEDED),
    ],
)
def test_what_happens_by_itself_repeats_no_reason(action: str, status: Status) -> None:
    seen = entry_seen_by(Side.CUSTOMER, entry("system", action, status))
    assert (seen.actor, seen.reason) == ("system", None)


@pytest.mark.parametrize(
    ("actor", "cancelled", "held"),
    [
        ("cli:root", "It was cancelled.", "The house holds it."),
        (OWN, REASON, REASON),
        ("system", REASON, REASON),
    ],
)
def test_a_failure_names_the_customers_own_only(actor: str, cancelled: str, held: str) -> None:
    stopped = operation(
        Status.CANCELLED,
        failure=Failure("cancelled", REASON),
        cancel_request=CancelRequest(actor, REASON, AT),
    )
    parked = operation(
        Status.NEEDS_ATTENTION,
        failure=Failure("parked_by_operator", REASON),
        park_request=ParkRequest(actor, REASON, AT, Status.WAITING),
    )
    for found, message in ((stopped, cancelled), (parked, held)):
        assert operation_seen_by(Side.HOUSE, found) == found
        seen = operation_seen_by(Side.CUSTOMER, found)
        assert seen.failure is not None
        assert seen.failure.message == message
        assert (repr(seen).count(REASON) > 0) == (message == REASON)


def test_other_failures_and_requests_are_shown_but_for_a_refunds_reason() -> None:
    failure = Failure("card_declined", "The card was declined.", "charge")
    found = operation(Status.FAILED, failure=failure, input={"request": {"reason": REASON, "a": 1}})
    seen = operation_seen_by(Side.CUSTOMER, found)
    assert (seen.failure, seen.input) == (failure, {"request": {"a": 1}})


def test_an_attempt_repeats_no_reason() -> None:
    attempt = StepAttempt("charge", 1, "failed", None, None, AT, AT)
    assert attempt_seen_by(Side.CUSTOMER, attempt) == attempt
    for code, kept in (("cancelled", False), ("parked_by_operator", False), ("timed_out", True)):
        error = {"code": code, "message": REASON, "param": None}
        seen = attempt_seen_by(Side.CUSTOMER, replace(attempt, error=error))
        assert seen.error is not None
        assert (seen.error["message"] == REASON) is kept
