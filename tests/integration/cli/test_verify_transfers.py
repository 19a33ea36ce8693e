"""The invariants hold for what transfers do, and each breach is found."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.core.ids import TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Channel, Message, Party
from perdure.operations import store
from perdure.operations import verify as operations
from perdure.operations.model import Status
from perdure.providers.bank import Payout
from perdure.storage.pool import Connection, transaction
from perdure.transfers import verify as transfers
from perdure.transfers.contracts import TransferRequest
from tests.acceptances import transfers_at

from .conftest import House

AMOUNT_MINOR = 1250
PAID = {"payout_id": "po_1", "status": "paid", "failure_code": None}
FAILED = {"payout_id": "po_1", "status": "failed", "failure_code": "account_blocked"}


async def transfer(
    house: House,
    status: Status,
    *,
    settled: str | None = None,
    answer: dict[str, Any] | None = None,
    recalled: bool = False,
    told: int = 1,
    to: SystemAccount = SystemAccount.BANK,
) -> str:
    """Write a transfer with its entries, as its steps would, or not quite."""
    request = TransferRequest(
        house.customer_id,
        house.account_id,
        AMOUNT_MINOR,
        "USD",
        "dest_ok",
        Party("Ada", "ada@example.com"),
    )
    accepts = transfers_at(house.ledger)
    async with transaction(house.pool) as connection:
        operation = await accepts.accept(connection, request, actor="test")
        if settled is not None:
            await _hold(house, connection, operation.id, settled, to)
        if answer is not None:
            await connection.execute(
                "INSERT INTO provider_calls (operation_id, step, provider, reference, state,"
                " lease_until, calls, answer) VALUES ($1, 'pay_out', 'bank', $1, 'answered',"
                " now(), 1, $2)",
                operation.id,
                answer,
            )
        if recalled:
            await connection.execute(
                "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at,"
                " finished_at) VALUES ($1, 'recall_payout', 1, 'succeeded', now(), now())",
                operation.id,
            )
        if status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED):
            ways = [(Channel.EMAIL, "ada@example.com"), (Channel.SMS, "+15550100")][:told]
            messages = [Message("customer", way, whom, "About it", "It.") for way, whom in ways]
            await notifications.owe(connection, {operation.id: messages})
            result = {"payout": answer} if status == Status.SUCCEEDED else None
            await store.move(connection, operation, status, action="ended", result=result)
    return operation.id


async def _hold(
    house: House, connection: Connection, operation_id: str, settled: str, to: SystemAccount
) -> None:
    hold = NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=house.account_id,
        credit_account_id=system_account_id(to, "USD"),
        amount_minor=AMOUNT_MINOR,
        currency="USD",
        code="transfer",
        operation_id=operation_id,
    )
    await house.ledger.hold(connection, hold)
    if settled == "posted":
        await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER))
    elif settled == "in part":
        await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER), 1)
    elif settled == "voided":
        await house.ledger.void_hold(connection, hold.id, new_id(TRANSFER))


async def broken_by(house: House, transfer_id: str) -> set[str]:
    found = [
        *await operations.violations(house.pool, limit=10_000),
        *await transfers.violations(house.pool, limit=10_000),
    ]
    return {violation.name for violation in found if transfer_id in violation.subject_ids}


async def succeeded(house: House, **changes: Any) -> str:
    given = {"settled": "posted", "answer": PAID} | changes
    return await transfer(house, Status.SUCCEEDED, **given)


@pytest.mark.parametrize(
    ("status", "traces"),
    [
        (Status.PENDING, {}),
        (Status.PROCESSING, {"settled": "held", "answer": PAID}),
        (Status.SUCCEEDED, {"settled": "posted", "answer": PAID}),
        (Status.FAILED, {}),
        (Status.FAILED, {"settled": "voided", "answer": FAILED}),
        (Status.CANCELLED, {"settled": "voided", "answer": PAID, "recalled": True}),
    ],
)
async def test_transfers_as_they_should_be_break_nothing(
    house: House, status: Status, traces: dict[str, Any]
) -> None:
    assert await broken_by(house, await transfer(house, status, **traces)) == set()


async def test_a_hold_that_outlives_its_transfer_is_found(house: House) -> None:
    broken = await broken_by(house, await transfer(house, Status.FAILED, settled="held"))
    assert broken == {"no_hold_outlives_its_operation", "other_transfers_moved_nothing"}


async def test_a_cancelled_transfer_that_moved_money_is_found(house: House) -> None:
    broken = await broken_by(house, await transfer(house, Status.CANCELLED, settled="posted"))
    assert broken == {"other_transfers_moved_nothing"}


@pytest.mark.parametrize(
    "change",
    [
        {"settled": None},
        {"settled": "voided"},
        {"settled": "in part"},
        {"to": SystemAccount.GATEWAY_CLEARING},
    ],
)
async def test_a_succeeded_transfer_that_moved_something_else_is_found(
    house: House, change: dict[str, Any]
) -> None:
    broken = await broken_by(house, await succeeded(house, **change))
    assert broken == {"succeeded_transfers_posted_once"}


@pytest.mark.parametrize("told", [0, 2])
async def test_a_message_too_few_or_too_many_is_found(house: House, told: int) -> None:
    broken = await broken_by(house, await succeeded(house, told=told))
    assert broken == {"transfers_owe_their_messages"}


@pytest.mark.parametrize("answer", [None, FAILED])
async def test_a_success_without_the_banks_word_is_found(
    house: House, answer: dict[str, Any] | None
) -> None:
    broken = await broken_by(house, await succeeded(house, answer=answer))
    assert broken == {"succeeded_transfers_were_answered_paid"}


async def test_money_paid_out_and_not_recalled_is_found(house: House) -> None:
    transfer_id = await transfer(house, Status.CANCELLED, settled="voided", answer=PAID)
    assert await broken_by(house, transfer_id) == {"other_transfers_recalled_what_was_paid"}


def payout(
    reference: str,
    status: str = "paid",
    amount_minor: int = AMOUNT_MINOR,
    currency: str = "USD",
) -> Payout:
    return Payout(new_id("po"), reference, amount_minor, currency, status)


async def test_the_banks_books_are_compared(house: House) -> None:
    async def undone() -> str:
        return await transfer(house, Status.CANCELLED, settled="voided")

    good = [
        payout(await succeeded(house)),
        payout(await undone(), "recalled"),
        payout(await undone(), "recalled", 0, ""),
        payout(await undone(), "failed"),
        payout(await transfer(house, Status.PROCESSING, settled="held")),
        payout(await transfer(house, Status.PROCESSING, settled="held"), "requires_action"),
    ]
    twice, never, too_much = [await succeeded(house) for _ in range(3)]
    taken_back, kept, stranger = await succeeded(house), await undone(), new_id("tfr")
    abroad, open_there, recalled_stranger = await succeeded(house), await undone(), new_id("tfr")
    listed = [
        *good,
        payout(twice),
        payout(twice),
        payout(too_much, amount_minor=AMOUNT_MINOR + 1),
        payout(taken_back, "recalled"),
        payout(kept),
        payout(stranger),
        payout(abroad, currency="JPY"),
        payout(open_there, "requires_action"),
        payout(recalled_stranger, "recalled", 10**30),
    ]

    async def payouts() -> AsyncIterator[Payout]:
        for found in listed:
            yield found

    async with house.pool.acquire() as connection:
        found = await transfers.BANK_BOOKS.compare(connection, {"bank": payouts()}, limit=10_000)
    ours = {*(item.reference for item in listed), never}
    named = {(item.name, item.subject_ids[0]) for item in found if item.subject_ids[0] in ours}
    assert named == {
        ("paid_out_at_most_once", twice),
        ("succeeded_paid_out_once", twice),
        ("succeeded_paid_out_once", never),
        ("succeeded_paid_out_once", too_much),
        ("succeeded_paid_out_once", taken_back),
        ("others_left_unpaid", kept),
        ("payouts_have_a_transfer", stranger),
        ("succeeded_paid_out_once", abroad),
        ("payouts_have_ended", open_there),
        ("payouts_have_a_transfer", recalled_stranger),
    }
