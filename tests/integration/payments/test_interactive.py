"""Payments that an operations worker carries out itself, while there is nothing to wait for."""

import asyncio

import pytest

from perdure.operations.model import Status

from .town import ENDED, Town


async def test_a_payment_is_carried_to_its_end_though_its_callback_comes_later(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, gear="auto")
    assert (await town.end_of(payment_id)).status == Status.SUCCEEDED
    view = (await town.api.get(f"/v1/payments/{payment_id}")).json()
    assert (view["gear"], view["public_status"]) == ("interactive", "success")
    steps = {f"{step}:succeeded" for step in ("score", "hold_funds", "charge", "settle")}
    assert {*await town.steps(payment_id)} == steps
    assert [charge["status"] for charge in await town.charges(payment_id)] == ["succeeded"]
    # What is lost: there is no workflow to ask.
    answer = await town.api.get(f"/v1/payments/{payment_id}/workflow")
    assert answer.json()["error"]["code"] == "workflow_not_found"


@pytest.mark.parametrize(
    ("token", "status"),
    [("tok_declined", Status.FAILED), ("tok_no_callback", Status.SUCCEEDED)],
)
async def test_what_is_refused_or_has_to_wait_gets_a_workflow_of_its_own(
    town: Town, token: str, status: Status
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token=token, gear="auto")
    assert (await town.end_of(payment_id)).status == status
    view = (await town.api.get(f"/v1/payments/{payment_id}")).json()
    assert view["gear"] == "own_workflow"
    trail = await town.platform.operations.trail(payment_id)
    assert [entry.action for entry in trail].count("promoted") == 1
    assert len(await town.charges(payment_id)) <= 1


async def test_one_that_is_cancelled_while_it_waits_is_undone_by_its_workflow(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback", gear="auto")
    await town.until(payment_id, {"waiting", *ENDED})
    cancelled = await town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": "No."})
    assert cancelled.status_code == 200, cancelled.text
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    balance = await town.balance(account)
    assert balance.available_minor == balance.posted_minor == 10_000


async def test_many_at_once_are_all_carried_to_their_ends(town: Town) -> None:
    account = await town.account(funds_minor=100_000)
    ids = await asyncio.gather(*(town.pay(account, gear="auto") for _ in range(40)))
    ended = await asyncio.gather(*(town.end_of(one) for one in ids))
    assert {one.status for one in ended} == {Status.SUCCEEDED}
    assert (await town.balance(account)).posted_minor == 100_000 - 40 * 1_000
