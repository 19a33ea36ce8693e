"""Deadlines: what has not ended by then is cancelled and undone, in either gear."""

from datetime import timedelta

import pytest

from perdure.core.clock import utc_now
from perdure.operations.model import Status
from tests.integration.payments.town import Town

from .operators import accepted_payment, check_paid_once


@pytest.mark.parametrize("lane", [None, 0])
async def test_what_has_not_ended_by_its_deadline_is_cancelled_and_undone_r10(
    town: Town, lane: int | None
) -> None:
    account = await town.account()
    operation = await accepted_payment(
        town,
        account,
        lane=lane,
        token="tok_no_callback",
        deadline_at=utc_now() + timedelta(seconds=2),
    )
    await town.platform.operations.begin(operation)
    ended = await town.end_of(operation.id)
    assert (ended.status, ended.lane) == (Status.CANCELLED, None)
    assert ended.cancel_request is not None
    assert ended.cancel_request.actor == "system"
    assert ended.cancel_request.reason.startswith("The deadline 2")
    assert ended.cancel_request.reason.endswith("passed.")
    assert (await town.balance(account)).available_minor == 100_000
    # The money that was collected is given back.
    assert [
        charge["amount_minor"] - charge["refunded_minor"]
        for charge in await town.charges(operation.id)
        if charge["status"] == "succeeded"
    ] in ([], [0])


async def test_a_deadline_that_is_met_changes_nothing(town: Town) -> None:
    account = await town.account()
    deadline = utc_now() + timedelta(minutes=5)
    payment_id = await town.pay(account, deadline=deadline.isoformat())
    await check_paid_once(town, payment_id, account)
    shown = (await town.api.get(f"/v1/payments/{payment_id}")).json()
    assert shown["deadline"] == deadline.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("deadline", "code"), [("2020-01-01T00:00:00Z", "deadline_passed"), ("soon", "invalid_input")]
)
async def test_a_deadline_is_a_time_in_the_future(town: Town, deadline: str, code: str) -> None:
    account = await town.account()
    body = {**account, "amount_minor": 1_000, "payment_method": "tok_ok", "deadline": deadline}
    answer = await town.api.post("/v1/payments", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["param"] == "deadline"
