"""A file's rows become payments once, whatever happens on the way."""

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from perdure.cli.api_access import Access
from perdure.cli.api_client import ApiClient
from perdure.core.ids import ACCOUNT, new_id
from perdure.notifications.contracts import Party
from perdure.operations.model import Operation
from perdure.payments.import_file import COLUMNS_REQUIRED, BadRow, ImportRow, read_rows
from perdure.payments.import_outcomes import REJECTED, RowOutcome
from perdure.payments.importing import PaymentImport

from .conftest import House
from .shell import ServedApi


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


def importer(api: ServedApi, *, own_workflows: bool = False) -> PaymentImport:
    access = Access(api.url, api.key, "a test", folder=None)
    return PaymentImport(partial(ApiClient, access), own_workflows=own_workflows)


async def taken_in(api: ServedApi, rows: Sequence[ImportRow | BadRow]) -> list[RowOutcome]:
    with closing(importer(api)) as taking:
        (found,) = [one async for one in taking.take_all_in([list(rows)])]
        return found


async def take_in(house: House, api: ServedApi, *rows: str) -> list[RowOutcome]:
    return await taken_in(api, rows_of(house, *rows))


async def count(house: House) -> int:
    counted: int = await house.pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", house.customer_id
    )
    return counted


async def test_rows_become_payments_in_the_files_order(house: House, api: ServedApi) -> None:
    outcomes = await take_in(house, api, *(f"ref-{number},100" for number in range(20)))
    assert [outcome.reference for outcome in outcomes] == [f"ref-{n}" for n in range(20)]
    assert {outcome.status for outcome in outcomes} == {"pending"}
    ids = [outcome.payment_id for outcome in outcomes]
    assert ids == sorted(ids, key=str), "lanes take the oldest first, so ids follow the file"
    assert await count(house) == 20


@pytest.mark.parametrize(("own_workflows", "lanes"), [(False, {0, 1}), (True, {None})])
async def test_rows_are_for_lanes_or_have_workflows_of_their_own(
    house: House, api: ServedApi, own_workflows: bool, lanes: set[int | None]
) -> None:
    with closing(importer(api, own_workflows=own_workflows)) as taking:
        (batch,) = [
            found async for found in taking.take_all_in([rows_of(house, "ref-1,100", "ref-2,100")])
        ]
    stored = [await house.operations.get(outcome.payment_id or "") for outcome in batch]
    assert {operation.lane for operation in stored} == lanes


async def test_batches_are_taken_in_at_once_and_told_in_their_order(
    house: House, api: ServedApi
) -> None:
    batches = [rows_of(house, f"ref-{number},100", "same,1") for number in range(8)]
    with closing(importer(api)) as taking:
        found = [one async for one in taking.take_all_in(batches)]
    assert [first.reference for first, _ in found] == [f"ref-{number}" for number in range(8)]
    assert len({second.payment_id for _, second in found}) == 1
    assert await count(house) == 9


async def test_of_two_batches_with_one_reference_the_first_counts(
    house: House, api: ServedApi
) -> None:
    batches = [rows_of(house, *(f"{n}-{m},1" for m in range(50)), f" same,{n}") for n in (1, 2, 3)]
    with closing(importer(api)) as taking:
        found = [one[-1] async for one in taking.take_all_in(batches)]
    assert [one.failure_code for one in found] == [None, *["idempotency_mismatch"] * 2]
    assert (await house.operations.get(found[0].payment_id or "")).input["request"][
        "amount_minor"
    ] == 1


async def test_a_batch_too_large_for_one_request_is_sent_in_parts(
    house: House, api: ServedApi
) -> None:
    wide = "\N{SNOWMAN}" * 255
    rows = [
        replace(row, request=replace(row.request, description=wide, payee=Party(wide)))
        for row in rows_of(house, *(f"ref-{number},1" for number in range(200)))
        if isinstance(row, ImportRow)
    ]
    found = await taken_in(api, rows)
    assert [one.reference for one in found] == [f"ref-{number}" for number in range(200)]
    assert await count(house) == 200


async def test_the_same_file_again_adds_nothing(house: House, api: ServedApi) -> None:
    rows = [f"ref-{number},100" for number in range(10)]
    first = await take_in(house, api, *rows)
    assert await take_in(house, api, *rows) == first
    assert await count(house) == 10


async def test_a_row_that_is_known_is_reported_as_it_ended(house: House, api: ServedApi) -> None:
    (first,) = await take_in(house, api, "ref-1,100")
    rows = ("ref-1,100", "ref-1,99", "re\u0301f,10", "réf,10")
    found = await take_in(house, api, *rows)
    assert found[0] == first
    assert found[1].failure_code == "idempotency_mismatch"
    assert found[2].payment_id == found[3].payment_id is not None
    assert await count(house) == 2


async def test_bad_rows_are_named_and_stop_nothing(house: House, api: ServedApi) -> None:
    outcomes = await take_in(
        house,
        api,
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


async def test_another_customers_account_is_a_bad_row(house: House, api: ServedApi) -> None:
    rows = [
        replace(row, request=replace(row.request, account_id=new_id(ACCOUNT)))
        for row in rows_of(house, "ref-1,100")
        if isinstance(row, ImportRow)
    ]
    (outcome,) = await taken_in(api, rows)
    assert (outcome.status, outcome.failure_code) == (REJECTED, "account_not_found")


async def test_of_two_rows_with_one_reference_the_first_counts(
    house: House, api: ServedApi
) -> None:
    outcomes = await take_in(house, api, "same,100", "same,200", "same,100", "other,100")
    assert [outcome.status for outcome in outcomes] == ["pending", REJECTED, "pending", "pending"]
    assert (outcomes[1].failure_code, outcomes[1].field) == ("idempotency_mismatch", "reference")
    assert outcomes[2].payment_id == outcomes[0].payment_id
    assert await count(house) == 2


async def test_a_row_edited_after_it_was_accepted_is_rejected(house: House, api: ServedApi) -> None:
    (first,) = await take_in(house, api, "ref-1,100")
    (edited,) = await take_in(house, api, "ref-1,200")
    assert (edited.status, edited.failure_code) == (REJECTED, "idempotency_mismatch")
    assert first.payment_id is not None
    assert first.payment_id in (edited.failure_message or "")


async def test_a_rejected_row_that_was_corrected_is_accepted(house: House, api: ServedApi) -> None:
    (first,) = await take_in(house, api, "ref-1,99999999")
    (corrected,) = await take_in(house, api, "ref-1,100")
    assert (first.status, corrected.status) == (REJECTED, "pending")


async def test_a_stored_payment_is_what_the_row_asked_for(house: House, api: ServedApi) -> None:
    (outcome,) = await take_in(house, api, "ref-1,1250")
    stored: Operation = await house.operations.get(outcome.payment_id or "")
    assert stored.reference == "ref-1"
    assert stored.input["request"]["amount_minor"] == 1250
    assert (await house.operations.trail(stored.id))[0].actor == "key:tests"
