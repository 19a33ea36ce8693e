"""A file's rows become payments once, whatever happens on the way."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from perdure.core.ids import ACCOUNT, new_id
from perdure.operations import store
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.service import OperationService
from perdure.payments.import_file import COLUMNS_REQUIRED, BadRow, ImportRow, read_rows
from perdure.payments.import_outcomes import (
    REJECTED,
    REPORT_COLUMNS,
    RowOutcome,
    open_spool,
    write_report,
)
from perdure.payments.importing import PaymentImport
from perdure.storage.pool import Connection, transaction

from .conftest import House


def rows_of(house: House, *rows: str) -> Iterable[ImportRow | BadRow]:
    """Read rows of `reference,amount_minor`, and whatever else a line is to be, as it is."""
    lines = [",".join(COLUMNS_REQUIRED)]
    for row in rows:
        reference, comma, amount = row.partition(",")
        lines.append(
            f"{reference},{house.customer_id},{house.account_id},{amount},USD,tok_ok"
            if comma
            else row
        )
    return read_rows(io.BytesIO("\n".join(lines).encode()))


def importer(house: House, operations: OperationService | None = None) -> PaymentImport:
    return PaymentImport(
        house.pool, operations or house.operations, house.payments, actor="test", concurrency=4
    )


async def take_in(house: House, *rows: str) -> list[RowOutcome]:
    return [outcome async for outcome in importer(house).take_in(rows_of(house, *rows))]


def names_in(folder: Path) -> list[str]:
    return [found.name for found in folder.iterdir()]


async def count(house: House) -> int:
    counted: int = await house.pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", house.customer_id
    )
    return counted


async def finish(house: House, payment_id: str | None, status: Status, code: str = "") -> None:
    async with transaction(house.pool) as connection:
        operation = await store.lock(connection, payment_id or "")
        failure = Failure(code, "It did not work.") if code else None
        await store.move(connection, operation, status, action="ended", failure=failure)


async def test_rows_become_payments_in_the_files_order(house: House) -> None:
    outcomes = await take_in(house, *(f"ref-{number},100" for number in range(20)))
    assert [outcome.reference for outcome in outcomes] == [f"ref-{n}" for n in range(20)]
    assert {outcome.status for outcome in outcomes} == {"pending"}
    assert {outcome.payment_id for outcome in outcomes} == set(house.engine.started)
    assert await count(house) == 20


async def test_the_same_file_again_adds_nothing(house: House) -> None:
    rows = [f"ref-{number},100" for number in range(10)]
    first = await take_in(house, *rows)
    assert await take_in(house, *rows) == first
    assert await count(house) == 10


async def test_bad_rows_are_named_and_stop_nothing(house: House) -> None:
    outcomes = await take_in(
        house,
        "ref-1,100",
        "too few",
        "ref-2,ten",
        f"ref-3,{house.customer_id},{new_id(ACCOUNT)},100,USD,tok_ok".replace(",", ";"),
        "ref-4,99999999",
        "ref-5,100",
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
    (outcome,) = [outcome async for outcome in importer(house).take_in(rows)]
    assert (outcome.status, outcome.failure_code) == (REJECTED, "account_not_found")


async def test_of_two_rows_with_one_reference_the_first_counts(house: House) -> None:
    outcomes = await take_in(house, "same,100", "same,200", "same,100", "other,100")
    assert [outcome.status for outcome in outcomes] == ["pending", REJECTED, "pending", "pending"]
    assert (outcomes[1].failure_code, outcomes[1].field) == ("idempotency_mismatch", "reference")
    assert outcomes[2].payment_id == outcomes[0].payment_id
    assert await count(house) == 2


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
            raise ConnectionResetError("cut after the commit")


async def test_a_database_that_goes_away_for_a_moment_is_waited_out(house: House) -> None:
    flaky = _Flaky(house.pool, house.engine)
    rows = rows_of(house, *(f"ref-{number},100" for number in range(5)))
    outcomes = [outcome async for outcome in importer(house, flaky).take_in(rows)]
    assert {outcome.status for outcome in outcomes} == {"pending"}
    assert await count(house) == 5
    assert flaky.calls > 5


async def test_outcomes_are_waited_for_and_reported(house: House, tmp_path: Path) -> None:
    outcomes = await take_in(house, "ref-1,100", "ref-2,100", "bad", "ref-3,100")
    told: list[int] = []
    with open_spool(importer(house).statuses) as spool:
        for outcome in outcomes:
            spool.add(outcome)
        waiting = asyncio.create_task(spool.wait(told.append))
        await finish(house, outcomes[0].payment_id, Status.SUCCEEDED)
        await finish(house, outcomes[1].payment_id, Status.FAILED, "card_declined")
        await asyncio.sleep(0)
        assert not waiting.done()
        await finish(house, outcomes[3].payment_id, Status.NEEDS_ATTENTION, "stuck")
        await asyncio.wait_for(waiting, 20)
        report = tmp_path / "file.outcomes.csv"
        counted: list[RowOutcome] = []
        await write_report(spool.outcomes(), report, counted.append)
    assert told[-1] == 4
    assert told == sorted(told)
    with report.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == REPORT_COLUMNS
    assert [row[3] for row in rows] == ["succeeded", "failed", "rejected", "needs_attention"]
    assert rows[1][4:] == ["card_declined", "It did not work."]
    assert [row.line for row in counted] == [2, 3, 4, 5]
    assert names_in(tmp_path) == [report.name]


async def test_a_long_file_is_asked_after_in_batches(house: House) -> None:
    asked: list[int] = []
    statuses = importer(house).statuses

    async def counting(ids: list[str]) -> dict[str, tuple[str, dict[str, object] | None]]:
        asked.append(len(ids))
        return await statuses(ids)

    (known,) = await take_in(house, "ref-1,100")
    await finish(house, known.payment_id, Status.SUCCEEDED)
    with open_spool(counting) as spool:
        for line in range(2, 1203):
            spool.add(replace(known, line=line, failure_message='a "quoted",\nbroken line'))
        await asyncio.wait_for(spool.wait(lambda _: None), 20)
        lines = [outcome.line async for outcome in spool.outcomes()]
    assert lines == list(range(2, 1203))
    assert asked[:3] == [500, 500, 201]


async def test_a_report_that_is_cut_off_leaves_the_old_one(tmp_path: Path) -> None:
    report = tmp_path / "file.outcomes.csv"
    report.write_text("old")

    async def broken() -> AsyncIterator[RowOutcome]:
        yield RowOutcome(2, "ref", None, REJECTED)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        await write_report(broken(), report, lambda _: None)
    assert report.read_text() == "old"
    assert names_in(tmp_path) == [report.name]


async def test_a_stored_payment_is_what_the_row_asked_for(house: House) -> None:
    (outcome,) = await take_in(house, "ref-1,1250")
    stored: Operation = await house.operations.get(outcome.payment_id or "")
    assert stored.reference == "ref-1"
    assert stored.input["request"]["amount_minor"] == 1250
    assert (await house.operations.trail(stored.id))[0].actor == "test"
