"""Whatever is done to workflows from outside, operations have the effects of one undisturbed run.

`test_janitor` has what the janitor does, case by case, in a scripted world; here is what comes of
it at the end, in our books and the outside's (R-2, R-13).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from temporalio.client import Client

from perdure.capability import books
from perdure.core.ids import new_id
from perdure.operations.engine import RunState
from perdure.operations.model import Operation, Status
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import KIND as PAYMENT
from perdure.providers.gateway_callbacks import GatewayEvent, ToldCharge
from perdure.worker.janitor import janitor
from tests.integration.payments.town import ENDED, Town, open_quiet_town
from tests.integration.payments.written import written
from tests.integration.transfers.transfers import bank_misbehaves, payouts
from tests.polls import eventually

from .operators import ADA, accepted_transfer, check_paid_once, waiting_payment
from .outside_hands import delete, reset_to_the_beginning, start_deleting, terminate

Hands = Callable[[Client, str], Awaitable[None]]


async def healed(town: Town, operation_id: str) -> Operation:
    """Return an operation at its end; an operator relaunches it where it waits for one."""
    operation = await town.until(operation_id, {*ENDED, "needs_attention"})
    if operation.status == Status.NEEDS_ATTENTION:
        await town.platform.operations.actions.relaunch(operation_id, ADA)
    return await town.end_of(operation_id)


async def effects_of(town: Town, operation_id: str) -> dict[str, list[str]]:
    """Return what an operation did, but for who did what when."""
    rows = await written(town.platform.pool, operation_id)
    return {name: rows[name] for name in ("operations", "effects", "ledger", "messages")}


@pytest.mark.parametrize("do", [terminate, start_deleting, reset_to_the_beginning])
async def test_a_workflow_that_was_meddled_with_heals_to_what_one_run_does_r2_r13(
    town: Town, do: Hands
) -> None:
    payee = {"name": "Grace", "email": "grace@example.com"}
    undisturbed, disturbed = await town.account(), await town.account()
    model = await waiting_payment(town, undisturbed, payee=payee)
    payment_id = await waiting_payment(town, disturbed, payee=payee)
    await do(town.platform.client, payment_id)
    await healed(town, payment_id)
    for found, account in ((model, undisturbed), (payment_id, disturbed)):
        await check_paid_once(town, found, account)
        await until_told(town, found)
    assert await effects_of(town, payment_id) == await effects_of(town, model)


async def until_told(town: Town, payment_id: str) -> None:
    async def are_sent() -> bool:
        rows = (await written(town.platform.pool, payment_id))["messages"]
        return bool(rows) and all("'sent'" in row for row in rows)

    await eventually(are_sent)


async def test_a_workflow_cancelled_from_outside_is_refunded_and_cancelled_r2_r3(
    town: Town,
) -> None:
    account = await town.account()
    payment_id = await waiting_payment(town, account)
    await town.platform.client.get_workflow_handle(payment_id).cancel()
    operation = await town.end_of(payment_id)
    assert operation.status == Status.CANCELLED
    assert operation.cancel_request is not None
    assert operation.cancel_request.actor == "temporal"
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (100_000, 100_000)
    [charge] = await town.charges(payment_id)
    assert charge["status"] == "cancelled" or charge["refunded_minor"] == 1_000


@pytest.fixture
async def quiet_town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town where callbacks are waited for long, and whose janitor looks when the test says."""
    async with open_quiet_town(
        postgres_url,
        temporal_client,
        tmp_path_factory.mktemp("quiet"),
        payment_callback_timeout_s=600,
        janitor_stale_after_s=0.1,
    ) as opened:
        yield opened


async def test_a_lost_namespace_is_made_good_from_the_rows_r2_r13(quiet_town: Town) -> None:
    town, client = quiet_town, quiet_town.platform.client
    accounts = [await town.account() for _ in range(3)]
    payments = {await waiting_payment(town, account): account for account in accounts}
    account = await town.account()
    async with bank_misbehaves(town, "unavailable_before"):
        transfer = await accepted_transfer(town, account)
        await town.platform.operations.begin(transfer)
        await town.until(transfer.id, {"unknown"})
        everything = [*payments, transfer.id]
        await asyncio.gather(*(delete(client, found) for found in everything))
    states = [await town.platform.engine.run_state(found) for found in everything]
    assert set(states) == {RunState.ABSENT}

    looking = janitor(town.platform)
    restarted = 0

    async def all_are_restarted() -> bool:
        # What its last worker still did with it is progress, so it may be left to the next look.
        nonlocal restarted
        restarted += await looking.look()
        return restarted >= len(everything)

    await eventually(all_are_restarted, pause_s=0.1)
    assert restarted == len(everything)
    assert (await town.end_of(transfer.id)).status == Status.SUCCEEDED
    assert await payouts(town, transfer.id) == ["paid"]
    for payment_id, account in payments.items():
        await confirm(town, payment_id)
        await check_paid_once(town, payment_id, account)
    assert await books.violations(town.platform.pool, {"bank": town.books["bank"]}) == []


async def confirm(town: Town, payment_id: str) -> None:
    """Have the gateway's callback come after all."""
    [charge] = await town.charges(payment_id)
    told = ToldCharge(charge["id"], payment_id, 1_000, "USD", "succeeded")
    event = GatewayEvent(new_id("evt"), "charge.succeeded", told)
    await town.platform.kinds.own(GatewayCallbacks).receive(event)


async def test_one_query_tells_what_an_operation_did_r13(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_flaky_after_effect")
    await town.end_of(payment_id)
    report = await town.platform.operations.report(payment_id)
    assert report.operation == await town.platform.operations.get(payment_id)
    assert report.operation.kind == PAYMENT
    assert report.trail == await town.platform.operations.trail(payment_id)
    assert report.attempts == await town.platform.operations.step_attempts(payment_id)
    lost = next(found for found in report.attempts if found.outcome == "unknown")
    assert lost.step == "charge"
    assert lost.error is not None
    assert lost.error["code"] == "provider_outcome_unknown"
    found_out = next(found for found in report.attempts if found.provider_reference)
    assert found_out.finished_at is not None
    assert found_out.finished_at >= found_out.started_at
    [call] = [call for call in report.calls if call.step == "charge"]
    assert (call.provider, call.reference, call.state) == ("gateway", payment_id, "answered")
