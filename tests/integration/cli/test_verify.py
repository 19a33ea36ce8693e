"""The invariants hold for what payments do, and each breach is found."""

from collections.abc import AsyncIterator

from perdure.core.ids import TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.verify import Violation
from perdure.operations import store
from perdure.operations import verify as operations
from perdure.operations.model import Status
from perdure.payments import verify as payments
from perdure.payments.contracts import PaymentRequest
from perdure.providers.gateway import Charge
from perdure.storage.pool import transaction

from .conftest import House

AMOUNT_MINOR = 1250


async def payment(house: House, status: Status, *, held: bool = True, settled: str = "") -> str:
    """Write a payment with its entries, as its steps would, or not quite."""
    request = PaymentRequest(house.customer_id, house.account_id, AMOUNT_MINOR, "USD", "tok_ok")
    async with transaction(house.pool) as connection:
        operation = await house.payments.accept(connection, request, actor="test")
        if held:
            hold = NewTransfer(
                id=new_id(TRANSFER),
                debit_account_id=house.account_id,
                credit_account_id=system_account_id(SystemAccount.GATEWAY_CLEARING, "USD"),
                amount_minor=AMOUNT_MINOR,
                currency="USD",
                code="payment",
                operation_id=operation.id,
            )
            await house.ledger.hold(connection, hold)
            if settled == "posted":
                await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER))
            elif settled == "in part":
                await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER), 1)
            elif settled == "voided":
                await house.ledger.void_hold(connection, hold.id, new_id(TRANSFER))
        if status != Status.PENDING:
            await store.move(connection, operation, status, action="ended")
    return operation.id


async def broken_by(house: House, payment_id: str) -> set[str]:
    found = [
        *await operations.violations(house.pool, limit=10_000),
        *await payments.violations(house.pool, limit=10_000),
    ]
    return {violation.name for violation in found if payment_id in violation.subject_ids}


async def test_payments_as_they_should_be_break_nothing(house: House) -> None:
    for status, held, settled in (
        (Status.PENDING, False, ""),
        (Status.PROCESSING, True, ""),
        (Status.SUCCEEDED, True, "posted"),
        (Status.FAILED, False, ""),
        (Status.FAILED, True, "voided"),
        (Status.CANCELLED, True, "voided"),
    ):
        assert await broken_by(house, await payment(house, status, held=held, settled=settled)) == (
            set()
        ), status


async def test_a_hold_that_outlives_its_payment_is_found(house: House) -> None:
    broken = await broken_by(house, await payment(house, Status.FAILED, settled=""))
    assert broken == {"no_hold_outlives_its_operation", "others_moved_nothing"}


async def test_a_failed_payment_that_moved_money_is_found(house: House) -> None:
    for status in (Status.FAILED, Status.CANCELLED):
        broken = await broken_by(house, await payment(house, status, settled="posted"))
        assert broken == {"others_moved_nothing"}


async def test_a_succeeded_payment_that_moved_nothing_or_too_little_is_found(house: House) -> None:
    for held, settled in ((False, ""), (True, "voided"), (True, "in part")):
        broken = await broken_by(
            house, await payment(house, Status.SUCCEEDED, held=held, settled=settled)
        )
        assert broken == {"succeeded_posted_once"}


async def test_a_trail_that_ends_otherwise_is_found(house: House) -> None:
    payment_id = await payment(house, Status.SUCCEEDED, settled="posted")
    await house.pool.execute(
        "INSERT INTO operation_trail (operation_id, actor, action, status)"
        " VALUES ($1, 'test', 'lost', 'processing')",
        payment_id,
    )
    assert await broken_by(house, payment_id) == {"trails_end_with_the_status"}


async def test_a_call_left_unknown_is_found_but_a_message_on_its_way_is_not(house: House) -> None:
    for offset, expected in (("- 1", {"no_call_left_unknown"}), ("+ 1", set[str]())):
        payment_id = await payment(house, Status.SUCCEEDED, settled="posted")
        await house.pool.execute(
            "INSERT INTO provider_calls (operation_id, step, provider, reference, state,"
            " lease_until, created_at) SELECT id, 'charge', 'gateway', id, 'unknown', now(),"
            f" finished_at {offset} * interval '1 second' FROM operations WHERE id = $1",
            payment_id,
        )
        assert await broken_by(house, payment_id) == expected


def charge(reference: str, status: str = "succeeded", **changes: object) -> Charge:
    values = {"amount_minor": AMOUNT_MINOR, "currency": "USD"} | changes
    return Charge(new_id("ch"), reference, status=status, **values)  # type: ignore[arg-type]


async def at_gateway(house: House, *charges: Charge) -> list[Violation]:
    async def listed() -> AsyncIterator[Charge]:
        for found in charges:
            yield found

    async with house.pool.acquire() as connection:
        return await payments.GATEWAY_BOOKS.compare(connection, {"gateway": listed()}, limit=10_000)


async def test_the_gateways_books_are_compared(house: House) -> None:
    async def outcome(status: Status) -> str:
        settled = "posted" if status == Status.SUCCEEDED else "voided"
        return await payment(house, status, settled=settled)

    good = [
        charge(await outcome(Status.SUCCEEDED)),
        charge(await outcome(Status.FAILED), "failed"),
        charge(await outcome(Status.CANCELLED), "cancelled"),
        charge(await outcome(Status.CANCELLED), refunded_minor=AMOUNT_MINOR),
        charge(await payment(house, Status.PROCESSING)),
    ]
    twice, kept = await outcome(Status.SUCCEEDED), await outcome(Status.FAILED)
    never, too_much = await outcome(Status.SUCCEEDED), await outcome(Status.SUCCEEDED)
    yens, desk = await outcome(Status.SUCCEEDED), await outcome(Status.SUCCEEDED)
    part, pending = await outcome(Status.FAILED), await outcome(Status.CANCELLED)
    stranger = new_id("pay")
    found = await at_gateway(
        house,
        *good,
        charge(twice),
        charge(twice),
        charge(kept),
        charge(too_much, amount_minor=AMOUNT_MINOR + 1),
        charge(yens, currency="JPY"),
        charge(desk, refunded_minor=1),
        charge(part, refunded_minor=AMOUNT_MINOR - 1),
        charge(pending, "pending"),
        charge(stranger),
    )
    wrong = {twice, kept, never, too_much, yens, desk, part, pending, stranger}
    ours = {*(item.reference for item in good), *wrong}
    named = {(item.name, item.subject_ids[0]) for item in found if item.subject_ids[0] in ours}
    details = {item.subject_ids[0]: item.detail for item in found}
    assert "succeeded for 1250 USD; the gateway took 1250 JPY" in details[yens]
    assert named == {
        ("charged_at_most_once", twice),
        ("succeeded_charged_once", twice),
        ("succeeded_charged_once", never),
        ("succeeded_charged_once", too_much),
        ("succeeded_charged_once", yens),
        ("succeeded_charged_once", desk),
        ("others_left_uncharged", part),
        ("others_left_uncharged", kept),
        ("others_left_uncharged", pending),
        ("charges_have_a_payment", stranger),
    }
