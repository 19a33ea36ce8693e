"""Renewals taken in: what is refused, and who gets a domain that several want at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from perdure.core.clock import utc_now
from perdure.core.errors import InvalidInput, PerdureError
from perdure.core.ids import ACCOUNT, new_id
from perdure.ledger.chart import ensure_system_accounts
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import store
from perdure.operations.model import Operation, Status
from perdure.operations.steps import from_json
from perdure.renewals import domains
from perdure.renewals.acceptance import Outcome, RenewalAcceptance
from perdure.renewals.contracts import RenewalInput, RenewalRequest
from perdure.renewals.domains import NewDomain, Renewed
from perdure.storage.pool import Pool, transaction

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEDGER = PostgresLedger()
RENEWALS = RenewalAcceptance(LEDGER, ["info", "fr"], lanes=4, clock=lambda: NOW)


@pytest.fixture
async def mine(pool: Pool) -> RenewalRequest:
    """A request that is right: the customer's own domain, and an account of theirs."""
    customer_id, account_id = f"cus_{uuid4().hex[:8]}", new_id(ACCOUNT)
    async with transaction(pool) as connection:
        await ensure_system_accounts(LEDGER, connection, ["USD"])
        await LEDGER.open_account(
            connection,
            NewAccount(
                id=account_id,
                name="Wallet",
                kind=AccountKind.LIABILITY,
                currency="USD",
                customer_id=customer_id,
            ),
        )
    name = await domain_of(pool, customer_id)
    return RenewalRequest(customer_id, name, 1, account_id)


async def domain_of(pool: Pool, customer_id: str, *, days: int = 30, tld: str = "info") -> str:
    name = f"{uuid4().hex[:12]}.{tld}"
    expires_on = NOW.date() + timedelta(days=days)
    async with transaction(pool) as connection:
        await domains.import_many(connection, [NewDomain(name, customer_id, expires_on)])
    return name


async def accept_many(pool: Pool, *requests: RenewalRequest, **more: Any) -> list[Outcome]:
    async with transaction(pool) as connection:
        return await RENEWALS.accept_many(connection, requests, actor="tests", **more)


async def accept(pool: Pool, request: RenewalRequest) -> Operation:
    async with transaction(pool) as connection:
        return await RENEWALS.accept(connection, request, actor="tests")


async def renewing(pool: Pool, name: str) -> str | None:
    found = await domains.find(pool, name)
    assert found is not None
    return found.renewing


def codes(outcomes: list[Outcome]) -> list[str | None]:
    return [one.code if isinstance(one, PerdureError) else None for one in outcomes]


async def test_what_is_accepted_claims_its_domain_r1(pool: Pool, mine: RenewalRequest) -> None:
    operation = await accept(pool, mine)
    assert (operation.kind, operation.status) == ("renewal", Status.PENDING)
    assert operation.id.startswith("rnw_")
    given = from_json(RenewalInput, operation.input)
    assert given == RenewalInput(operation.id, mine, "registry-info", "2026-12-21")
    assert await renewing(pool, mine.domain) == operation.id


@pytest.mark.parametrize(
    ("ending", "registry"),
    [
        ("co.uk", "registry-co.uk"),
        ("uk", "registry-uk"),
        ("uk.com", "registry-uk.com"),
        ("com", "registry-com"),
    ],
)
async def test_the_registry_with_the_longest_ending_is_asked(
    pool: Pool, mine: RenewalRequest, ending: str, registry: str
) -> None:
    renewals = RenewalAcceptance(
        LEDGER, ["uk", "com", "co.uk", "uk.com"], lanes=1, clock=lambda: NOW
    )
    request = replace(mine, domain=await domain_of(pool, mine.customer_id, tld=ending))
    async with transaction(pool) as connection:
        operation = await renewals.accept(connection, request, actor="tests")
    assert from_json(RenewalInput, operation.input).registry == registry
    assert renewals.lane_for(request) == ["co.uk", "com", "uk", "uk.com"].index(ending)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"domain": "Not a name"}, "invalid_domain", "domain"),
        ({"domain": "example.museum"}, "unknown_tld", "domain"),
        ({"domain": "nobody-has-it.info"}, "domain_not_found", "domain"),
        ({"customer_id": "cus_other"}, "domain_not_found", "domain"),
        ({"years": 0}, "invalid_years", "years"),
        ({"account_id": new_id(ACCOUNT)}, "account_not_found", "account_id"),
        ({"account_id": "sys_bank_USD"}, "invalid_id", "account_id"),
    ],
)
async def test_what_cannot_begin_is_refused_and_claims_nothing_r1(
    pool: Pool, mine: RenewalRequest, change: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(PerdureError) as refused:
        await accept(pool, replace(mine, **change))
    assert (refused.value.code, refused.value.param) == (code, param)
    assert await renewing(pool, mine.domain) is None


async def test_an_account_of_somebody_else_does_not_pay_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    other = replace(mine, customer_id="cus_other", domain=await domain_of(pool, "cus_other"))
    assert codes(await accept_many(pool, other)) == ["account_not_found"]


async def test_a_frozen_account_does_not_pay_r1(pool: Pool, mine: RenewalRequest) -> None:
    async with transaction(pool) as connection:
        await LEDGER.set_account_status(connection, mine.account_id, AccountStatus.FROZEN)
    assert codes(await accept_many(pool, mine)) == ["account_not_open"]


@pytest.mark.parametrize(("days", "code"), [(-1, "domain_expired"), (0, None)])
async def test_a_domain_is_renewed_up_to_its_last_day_r1(
    pool: Pool, mine: RenewalRequest, days: int, code: str | None
) -> None:
    request = replace(mine, domain=await domain_of(pool, mine.customer_id, days=days))
    assert codes(await accept_many(pool, request)) == [code]


async def test_a_double_click_is_one_renewal_r1(pool: Pool, mine: RenewalRequest) -> None:
    clicks = await asyncio.gather(*(accept(pool, mine) for _ in range(8)))
    (operation_id,) = {operation.id for operation in clicks}
    assert await renewing(pool, mine.domain) == operation_id
    count = await pool.fetchval(
        "SELECT count(*) FROM operations WHERE customer_id = $1", mine.customer_id
    )
    assert count == 1


async def test_two_who_want_different_things_get_one_renewal_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    requests = [replace(mine, years=years) for years in range(1, 9)]
    outcomes = await asyncio.gather(*(accept_many(pool, request) for request in requests))
    (accepted,) = [one for (one,) in outcomes if isinstance(one, Operation)]
    refused = [one for (one,) in outcomes if isinstance(one, PerdureError)]
    assert codes(list(refused)) == ["renewal_in_progress"] * 7
    assert all(accepted.id in error.message for error in refused)


async def test_batches_that_want_the_same_domains_never_lock_each_other_out_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    names = [await domain_of(pool, mine.customer_id) for _ in range(20)]
    requests = [replace(mine, domain=name) for name in names]
    batches = await asyncio.gather(
        *(accept_many(pool, *turned) for turned in (requests, requests[::-1]) * 3)
    )
    ids = [{one.id for one in batch if isinstance(one, Operation)} for batch in batches]
    assert len(ids[0]) == 20
    assert all(found == ids[0] for found in ids)


async def test_of_several_in_one_batch_the_first_counts_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    other = replace(mine, years=2)
    first, twin, refused = await accept_many(pool, mine, mine, other, lanes=[3, 3, 3])
    assert isinstance(first, Operation)
    assert isinstance(twin, Operation)
    assert (twin.id, first.lane) == (first.id, 3)
    assert codes([refused]) == ["renewal_in_progress"]


async def test_a_claim_of_another_system_is_respected_r1(pool: Pool, mine: RenewalRequest) -> None:
    async with transaction(pool) as connection:
        await domains.claim(connection, {mine.domain: "old-4711"})
    (refused,) = await accept_many(pool, mine)
    assert isinstance(refused, PerdureError)
    assert refused.code == "renewal_in_progress"
    assert "old-4711" in refused.message


async def test_the_same_reference_is_the_same_renewal_also_after_its_end_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    named = replace(mine, reference="march")
    first = await accept(pool, named)
    await end(pool, first)
    assert (await accept(pool, named)).id == first.id
    assert await renewing(pool, mine.domain) is None
    assert codes(await accept_many(pool, replace(named, years=2))) == ["idempotency_mismatch"]


async def test_a_domain_is_renewed_again_once_it_is_free_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    first = await accept(pool, mine)
    await end(pool, first)
    second = await accept(pool, mine)
    assert second.id != first.id
    assert await renewing(pool, mine.domain) == second.id


async def renewed(pool: Pool, operation: Operation) -> None:
    """Write that an operation has renewed its domain by a year."""
    given = operation.input
    before = date.fromisoformat(given["current_expires_on"])
    after = Renewed(given["request"]["domain"], operation.id, before + timedelta(days=365))
    async with transaction(pool) as connection:
        await domains.record_renewed(connection, [after])
    await end(pool, operation)


async def test_a_second_click_after_the_end_renews_no_further_year_r9(
    pool: Pool, mine: RenewalRequest
) -> None:
    seen = (NOW.date() + timedelta(days=30)).isoformat()
    click = replace(mine, current_expires_on=seen)
    first = await accept(pool, click)
    await renewed(pool, first)

    assert (await accept(pool, click)).id == first.id
    assert codes(await accept_many(pool, replace(click, years=2))) == ["already_renewed"]
    assert codes(await accept_many(pool, replace(click, current_expires_on="2020-01-01"))) == [
        "expiry_mismatch"
    ]
    assert await renewing(pool, mine.domain) is None
    # Whoever has looked again wants another year.
    later = (NOW.date() + timedelta(days=395)).isoformat()
    assert (await accept(pool, replace(mine, current_expires_on=later))).id != first.id


@pytest.mark.parametrize("text", ["", "tomorrow", "21.11.2027", "2027-13-01", "20271121"])
async def test_what_is_no_date_is_refused(pool: Pool, mine: RenewalRequest, text: str) -> None:
    (outcome,) = await accept_many(pool, replace(mine, current_expires_on=text))
    assert isinstance(outcome, InvalidInput)
    assert (outcome.code, outcome.param) == ("invalid_date", "current_expires_on")


async def again(pool: Pool, operation: Operation) -> Operation:
    async with transaction(pool) as connection:
        return await RENEWALS.accept_again(connection, operation, actor="ada")


async def test_one_that_failed_is_done_again_from_the_domains_date_of_now_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    failed = await accept(pool, replace(mine, reference="march"))
    await end(pool, failed)
    moved = NewDomain(mine.domain, mine.customer_id, NOW.date() + timedelta(days=300))
    async with transaction(pool) as connection:
        await domains.import_many(connection, [moved])
    new = await again(pool, failed)
    given = from_json(RenewalInput, new.input)
    assert (given.request, new.reference) == (mine, None)
    assert given.current_expires_on == moved.expires_on.isoformat()
    assert await renewing(pool, mine.domain) == new.id


async def test_one_that_failed_is_not_done_again_beside_another_r1(
    pool: Pool, mine: RenewalRequest
) -> None:
    failed = await accept(pool, mine)
    await end(pool, failed)
    other = await accept(pool, mine)
    with pytest.raises(PerdureError) as refused:
        await again(pool, failed)
    assert refused.value.code == "renewal_in_progress"
    assert other.id in refused.value.message


async def test_what_a_renewal_is_for_is_not_corrected(pool: Pool, mine: RenewalRequest) -> None:
    operation = await accept(pool, mine)
    corrected = RENEWALS.correct(operation, {"customer": {"email": "ada@example.com"}})
    assert corrected.request["customer"]["email"] == "ada@example.com"
    for field in ("domain", "years", "account_id"):
        with pytest.raises(PerdureError) as refused:
            RENEWALS.correct(operation, {field: 2})
        assert refused.value.code == "field_not_correctable"
    with pytest.raises(PerdureError) as refused:
        RENEWALS.correct(operation, {"price_minor_max": 0})
    assert refused.value.param == "price_minor_max"


@pytest.mark.parametrize(("seconds", "code"), [(0, "deadline_passed"), (1, None)])
async def test_a_deadline_lies_in_the_future(
    pool: Pool, mine: RenewalRequest, seconds: int, code: str | None
) -> None:
    deadline_at = NOW + timedelta(seconds=seconds)
    (outcome,) = await accept_many(pool, mine, deadline_at=deadline_at)
    assert codes([outcome]) == [code]
    if isinstance(outcome, Operation):
        assert outcome.deadline_at == deadline_at


async def end(pool: Pool, operation: Operation) -> None:
    """Have an operation be cancelled, and its domain released."""
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, Status.CANCELLED, action="closed")
        await domains.release(connection, operation.input["request"]["domain"], operation.id)


async def test_what_is_being_renewed_is_not_imported_over(pool: Pool, mine: RenewalRequest) -> None:
    await accept(pool, mine)
    free = await domain_of(pool, mine.customer_id)
    new = f"{uuid4().hex[:12]}.info"
    date = utc_now().date()
    given = [NewDomain(name, "cus_new", date) for name in (mine.domain, free, new)]
    async with transaction(pool) as connection:
        imported = await domains.import_many(connection, given)
        again = await domains.import_many(connection, given)
    assert (imported.added, imported.changed, imported.unchanged) == (1, 1, 0)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert list(imported.busy) == [mine.domain]
    found = await domains.find(pool, mine.domain)
    assert found is not None
    assert found.customer_id == mine.customer_id
