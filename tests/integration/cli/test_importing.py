"""A file's rows become payments once, whatever happens on the way."""

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import asyncpg
import pytest

from perdure.core.errors import PerdureError
from perdure.core.ids import ACCOUNT, new_id
from perdure.core.money import AmountLimit
from perdure.operations.model import Operation
from perdure.operations.service import OperationService
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.contracts import PaymentRequest
from perdure.payments.import_file import COLUMNS_REQUIRED, BadRow, ImportRow, read_rows
from perdure.payments.import_outcomes import REJECTED, RowOutcome
from perdure.payments.importing import PaymentImport
from perdure.payments.rules import PaymentLimits
from perdure.storage.pool import Connection

from .conftest import House


def rows_of(house: House, *rows: str) -> list[ImportRow | BadRow]:
    """Read rows of `reference,amount_minor`, and whatever else a line is to be, as it is."""
    lines = [",".join(COLUMNS_REQUIRED)]
    for row in rows:
        reference, comma, amount = row.partition(",")
        lines.append(
            f"{reference},{house.customer_id},{house.account_id},{amount},USD,tok_ok"
            if comma
            else row
        )
    return list(read_rows(io.BytesIO("\n".join(lines).encode())))


def importer(
    house: House,
    operations: OperationService | None = None,
    *,
    payments: PaymentAcceptance | None = None,
    lanes: int | None = 4,
) -> PaymentImport:
    return PaymentImport(
        house.pool,
        operations or house.operations,
        payments or house.payments,
        actor="test",
        lanes=lanes,
    )


async def take_in(house: House, *rows: str, lanes: int | None = 4) -> list[RowOutcome]:
    return await importer(house, lanes=lanes).take_in(rows_of(house, *rows))


async def count(house: House) -> int:
    counted: int = await house.pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", house.customer_id
    )
    return counted


@pytest.mark.parametrize("lanes", [None, 4])
async def test_rows_become_payments_in_the_files_order(house: House, lanes: int | None) -> None:
    outcomes = await take_in(house, *(f"ref-{number},100" for number in range(20)), lanes=lanes)
    assert [outcome.reference for outcome in outcomes] == [f"ref-{n}" for n in range(20)]
    assert {outcome.status for outcome in outcomes} == {"pending"}
    ids = [outcome.payment_id for outcome in outcomes]
    assert set(house.engine.started) == (set(ids) if lanes is None else set())
    assert ids == sorted(ids, key=str), "lanes take the oldest first, so ids follow the file"
    assert await count(house) == 20


async def test_rows_are_spread_over_the_lanes_and_the_lanes_run(house: House) -> None:
    rows = rows_of(house, *(f"ref-{number},100" for number in range(10)))
    taking = importer(house, lanes=3)
    async with taking.running_lanes():
        await taking.take_in(rows)
    lanes = await house.pool.fetch(
        "SELECT lane, count(*) FROM operations WHERE customer_id = $1 GROUP BY lane ORDER BY lane",
        house.customer_id,
    )
    assert [tuple(row) for row in lanes] == [(0, 3), (1, 3), (2, 4)]
    assert {lane for kind, lane in house.engine.lanes} == {0, 1, 2}


async def test_lanes_run_again_for_rows_that_were_accepted_before(house: House) -> None:
    await take_in(house, "ref-1,100", lanes=4)
    assert house.engine.lanes == []
    again = importer(house, lanes=None)
    async with again.running_lanes():
        await again.take_in(rows_of(house, "ref-1,100"))
    assert house.engine.lanes == [("payment", 2)]
    assert house.engine.started == []


@pytest.mark.parametrize("lanes", [None, 4])
async def test_the_same_file_again_adds_nothing(house: House, lanes: int | None) -> None:
    rows = [f"ref-{number},100" for number in range(10)]
    first = await take_in(house, *rows, lanes=lanes)
    assert await take_in(house, *rows, lanes=lanes) == first
    assert await count(house) == 10


async def test_a_row_that_is_known_is_reported_as_it_ended_whatever_limits_say_now(
    house: House,
) -> None:
    (first,) = await take_in(house, "ref-1,100")
    lowered = PaymentAcceptance(house.ledger, PaymentLimits(AmountLimit(50)))
    rows = rows_of(house, "ref-1,100", "ref-2,100", "ref-1,99", "re\u0301f,10", "réf,10")
    found = await importer(house, payments=lowered).take_in(rows)
    assert found[0] == first
    assert [outcome.failure_code for outcome in found[1:3]] == [
        "amount_over_limit",
        "idempotency_mismatch",
    ]
    assert found[3].payment_id == found[4].payment_id is not None
    assert await count(house) == 2


@pytest.mark.parametrize("lanes", [None, 4])
async def test_bad_rows_are_named_and_stop_nothing(house: House, lanes: int | None) -> None:
    outcomes = await take_in(
        house,
        "ref-1,100",
        "too few",
        "ref-2,ten",
        f"ref-3,{house.customer_id},{new_id(ACCOUNT)},100,USD,tok_ok".replace(",", ";"),
        "ref-4,99999999",
        "ref-5,100",
        lanes=lanes,
    )
    named = [(outcome.line, outcome.status, outcome.failure_code) for outcome in outcomes]
    assert named == [
        (2, "pending", None),
        (3, REJECTED, "wrong_number_of_fields"),
        (4, REJECTED, "invalid_amount"),
        (5, REJECTED, "wrong_number_of_fields"),
        (6, REJECTED, "amount_over_limit"),
        (7, "pending", None),
    ]
    assert outcomes[4].field == "amount_minor"


async def test_another_customers_account_is_a_bad_row(house: House) -> None:
    rows = [
        replace(row, request=replace(row.request, account_id=new_id(ACCOUNT)))
        for row in rows_of(house, "ref-1,100")
        if isinstance(row, ImportRow)
    ]
    (outcome,) = await importer(house).take_in(rows)
    assert (outcome.status, outcome.failure_code) == (REJECTED, "account_not_found")


class _Choking(PaymentAcceptance):
    """Has the database refuse a whole batch because of one row."""

    async def accept_many(
        self, connection: Connection, requests: Sequence[PaymentRequest], **more: Any
    ) -> list[Operation | PerdureError]:
        found = await super().accept_many(connection, requests, **more)
        if any(request.reference == "poison" for request in requests):
            await connection.fetchval("SELECT convert_from('\\xff', 'UTF8')")
        return found


async def test_what_the_database_does_not_take_costs_no_other_row(house: House) -> None:
    rows = rows_of(house, "ref-1,100", "poison,100", "ref-2,100")
    choking = _Choking(house.ledger, PaymentLimits())
    outcomes = await importer(house, payments=choking).take_in(rows)
    assert [outcome.status for outcome in outcomes] == ["pending", REJECTED, "pending"]
    assert outcomes[1].failure_code == "invalid_input"
    assert await count(house) == 2


async def test_of_two_rows_with_one_reference_the_first_counts(house: House) -> None:
    outcomes = await take_in(house, "same,100", "same,200", "same,100", "other,100")
    assert [outcome.status for outcome in outcomes] == ["pending", REJECTED, "pending", "pending"]
    assert (outcomes[1].failure_code, outcomes[1].field) == ("idempotency_mismatch", "reference")
    assert outcomes[2].payment_id == outcomes[0].payment_id
    assert await count(house) == 2


async def test_a_row_edited_after_it_was_accepted_is_rejected(house: House) -> None:
    (first,) = await take_in(house, "ref-1,100")
    (edited,) = await take_in(house, "ref-1,200")
    assert (edited.status, edited.failure_code) == (REJECTED, "idempotency_mismatch")
    assert first.payment_id is not None
    assert first.payment_id in (edited.failure_message or "")


async def test_a_rejected_row_that_was_corrected_is_accepted(house: House) -> None:
    (first,) = await take_in(house, "ref-1,99999999")
    (corrected,) = await take_in(house, "ref-1,100")
    assert (first.status, corrected.status) == (REJECTED, "pending")


class _Flaky(OperationService):
    """Loses the connection before and after what it commits, now and then."""

    calls = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self.calls += 1
        if self.calls % 3 == 1:
            raise ConnectionRefusedError("the database is away")
        async with super().transaction() as connection:
            yield connection
        if self.calls % 3 == 2:
            raise asyncpg.ConnectionDoesNotExistError("cut after the commit")


async def test_a_database_that_goes_away_for_a_moment_is_waited_out(house: House) -> None:
    flaky = _Flaky(house.pool, house.engine)
    rows = iter(rows_of(house, *(f"ref-{number},100" for number in range(6))))
    taking = importer(house, flaky)
    while batch := list(islice(rows, 2)):
        assert {outcome.status for outcome in await taking.take_in(batch)} == {"pending"}
    assert await count(house) == 6
    assert flaky.calls == 9


async def test_a_stored_payment_is_what_the_row_asked_for(house: House) -> None:
    (outcome,) = await take_in(house, "ref-1,1250")
    stored: Operation = await house.operations.get(outcome.payment_id or "")
    assert stored.reference == "ref-1"
    assert stored.input["request"]["amount_minor"] == 1250
    assert (await house.operations.trail(stored.id))[0].actor == "test"
