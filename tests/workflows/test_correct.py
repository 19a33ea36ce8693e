"""Correcting what was asked for: checked as a whole, and carried out by a new run."""

from typing import Any

import pytest
from temporalio.client import Client

from perdure.capability.assembly import operation_kinds
from perdure.core.ids import new_id
from perdure.durable.engine import TemporalEngine
from perdure.operations.actions import OperatorActions
from perdure.operations.model import RunRequest, Status
from perdure.payments.callbacks import GatewayCallbacks
from perdure.providers.gateway_callbacks import GatewayEvent, ToldCharge
from perdure.transfers.contracts import PAY_OUT
from tests.integration.payments.town import Town
from tests.integration.transfers.transfers import bank_misbehaves

from .operators import (
    ADA,
    accepted_transfer,
    check_paid_once,
    told,
    until_stopped_at,
    waiting_payment,
)

EMAIL = {"payee": {"email": "right@example.com"}}


async def recipients(town: Town, payment_id: str) -> list[str]:
    rows = await town.platform.pool.fetch(
        "SELECT recipient FROM notifications WHERE operation_id = $1", payment_id
    )
    return [row["recipient"] for row in rows]


async def parked_payment(town: Town, account: dict[str, str]) -> str:
    payee = {"name": "Grace", "email": "wrong@example.com"}
    payment_id = await waiting_payment(town, account, payee=payee)
    await town.platform.operations.actions.park(payment_id, ADA)
    return payment_id


async def test_a_corrected_payment_goes_on_and_its_finished_steps_stay_done_r7(
    town: Town,
) -> None:
    account = await town.account()
    payment_id = await parked_payment(town, account)
    before = (await town.platform.operations.get(payment_id)).input
    await town.platform.operations.actions.correct(payment_id, ADA, EMAIL)
    await check_paid_once(town, payment_id, account)
    assert await recipients(town, payment_id) == ["right@example.com"]
    after = (await town.platform.operations.get(payment_id)).input
    assert after["options"] == before["options"]
    assert after["request"]["payee"]["name"] == "Grace"
    trail = await town.platform.operations.trail(payment_id)
    [entry] = [entry for entry in trail if entry.action == "corrected"]
    assert (entry.actor, entry.reason) == ("ada", "Looked into it.")
    assert entry.data is not None
    assert entry.data["before"]["payee"]["email"] == "wrong@example.com"
    assert entry.data["after"]["payee"]["email"] == "right@example.com"
    assert "workflow_replaced" in await told(town, payment_id)
    assert (await town.steps(payment_id)).count("hold_funds:succeeded") == 1


async def test_what_is_corrected_and_stays_parked_is_carried_out_when_released(town: Town) -> None:
    account = await town.account()
    payment_id = await parked_payment(town, account)
    actions = town.platform.operations.actions
    corrected = await actions.correct(payment_id, ADA, EMAIL, go_on=False)
    assert corrected.status == Status.NEEDS_ATTENTION
    assert (corrected.run_request, corrected.run_requested_at) == (RunRequest.REPLACE, None)
    await actions.release(payment_id, ADA)
    await check_paid_once(town, payment_id, account)
    assert await recipients(town, payment_id) == ["right@example.com"]


async def test_a_correction_that_could_not_be_told_is_not_overtaken_by_a_callback(
    town: Town,
) -> None:
    """The run that knows nothing of it gives way; the janitor has another take its place."""
    account = await town.account()
    payment_id = await parked_payment(town, account)
    platform = town.platform
    away = await Client.connect("127.0.0.1:1", lazy=True)
    cut_off = OperatorActions(
        platform.pool,
        TemporalEngine(away, operation_kinds(), platform.queues),
        {"payment": platform.kinds.actions["payment"]},
        platform.operations.begin,
    )
    charge = await town.collected(payment_id)
    corrected = await cut_off.correct(payment_id, ADA, EMAIL)
    assert corrected.run_request == RunRequest.REPLACE
    said = ToldCharge(charge["id"], payment_id, 1_000, charge["currency"], "succeeded")
    callbacks = platform.kinds.own(GatewayCallbacks)
    await callbacks.receive(GatewayEvent(new_id("evt"), "charge.succeeded", said))
    await check_paid_once(town, payment_id, account)
    assert await recipients(town, payment_id) == ["right@example.com"]
    assert (await platform.operations.get(payment_id)).run_request is None


async def test_money_that_is_held_goes_where_the_correction_says(town: Town) -> None:
    account = await town.account()
    actions = town.platform.operations.actions
    async with bank_misbehaves(town, "unavailable_before"):
        transfer = await accepted_transfer(town, account, destination="DE89370400440532013000")
        await town.platform.operations.begin(transfer)
        await town.until(transfer.id, {"unknown"})
        await actions.park(transfer.id, ADA)
    await until_stopped_at(town, transfer.id, PAY_OUT)
    await actions.correct(transfer.id, ADA, {"destination": "FR1420041010050500013M02606"})
    assert (await town.end_of(transfer.id)).status == Status.SUCCEEDED
    page = (await town.bank.get("/v1/payouts", params={"reference": transfer.id})).json()
    assert [payout["destination"] for payout in page["data"]] == ["FR1420041010050500013M02606"]
    assert (await town.balance(account)).available_minor == 99_000


@pytest.mark.parametrize(
    ("patch", "code", "param"),
    [
        ({"payee": {"mail": "x@example.com"}}, "unknown_field", "payee.mail"),
        ({"payee": {"email": "nowhere"}}, "invalid_input", "payee.email"),
        ({"payee": {"email": 7}}, "invalid_input", "payee.email"),
        ({"amount_minor": 1}, "field_not_correctable", "amount_minor"),
        ({"account_id": "acc_1"}, "field_not_correctable", "account_id"),
        ({"payment_method": "tok_ok"}, "field_fixed", "payment_method"),
        ({}, "nothing_to_correct", "patch"),
    ],
)
async def test_a_correction_that_is_refused_names_the_field_and_changes_nothing(
    parked: tuple[Town, str], patch: dict[str, Any], code: str, param: str
) -> None:
    town, payment_id = parked
    before = await town.platform.operations.get(payment_id)
    answer = await town.api.post(
        f"/v1/operations/{payment_id}/correct", json={"patch": patch, "reason": "A typo."}
    )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    after = await town.platform.operations.get(payment_id)
    assert (after.input, after.status, after.run_request) == (before.input, before.status, None)
    assert (await told(town, payment_id))[-1] == "correct_refused"
    stale = await town.platform.pool.fetchval(
        "SELECT count(*) FROM effects WHERE operation_id = $1 AND fingerprint IS NULL", payment_id
    )
    assert stale == 0


@pytest.fixture(scope="module")
async def parked(town: Town) -> tuple[Town, str]:
    """A payment that was charged, and parked while it waited for its confirmation."""
    return town, await parked_payment(town, await town.account())


async def test_only_what_is_parked_is_corrected(town: Town) -> None:
    payment_id = await waiting_payment(town, await town.account())
    answer = await town.api.post(
        f"/v1/operations/{payment_id}/correct", json={"patch": EMAIL, "reason": "A typo."}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_parked")
    await town.end_of(payment_id)
