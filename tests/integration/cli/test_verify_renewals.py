"""The invariants hold for what renewals do, and each breach is found."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from perdure.core.clock import utc_now
from perdure.core.ids import TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Channel, Message, Party
from perdure.operations import store
from perdure.operations import verify as operations
from perdure.operations.model import Operation, Status
from perdure.providers.registry import RegistryRenewal
from perdure.renewals import domains
from perdure.renewals import verify as renewals
from perdure.renewals.acceptance import RenewalAcceptance
from perdure.renewals.contracts import RenewalRequest
from perdure.renewals.domains import NewDomain, Renewed
from perdure.storage.pool import Connection, transaction

from .conftest import House

PRICE_MINOR = 1499
EXPIRES_ON = utc_now().date() + timedelta(days=30)
RENEWED_TO = EXPIRES_ON + timedelta(days=365)
RENEWED = {"renewal_id": "ren_1", "status": "renewed"}
RESULT = {
    "expires_on": RENEWED_TO.isoformat(),
    "price_minor": PRICE_MINOR,
    "currency": "USD",
    "registry_renewal_id": "ren_1",
}


async def renewal(
    house: House,
    status: Status,
    *,
    settled: str | None = None,
    answer: dict[str, Any] | None = None,
    undone: bool = False,
    told: int = 1,
    to: SystemAccount = SystemAccount.REGISTRY_CLEARING,
    released: bool = True,
    dated: bool = True,
) -> str:
    """Write a renewal with its entries, as its steps would, or not quite."""
    name = f"{uuid4().hex[:12]}.info"
    request = RenewalRequest(
        house.customer_id, name, 1, house.account_id, Party("Ada", "ada@example.com")
    )
    acceptance = RenewalAcceptance(house.ledger, ["info"], lanes=1)
    async with transaction(house.pool) as connection:
        given = NewDomain(name, house.customer_id, EXPIRES_ON)
        await domains.import_many(connection, [given])
    async with transaction(house.pool) as connection:
        operation = await acceptance.accept(connection, request, actor="test")
        if settled is not None:
            await _hold(house, connection, operation.id, settled, to)
        if answer is not None:
            await connection.execute(
                "INSERT INTO provider_calls (operation_id, step, provider, reference, state,"
                " lease_until, calls, answer) VALUES ($1, 'renew', 'registry-info', $1, 'answered',"
                " now(), 1, $2)",
                operation.id,
                answer,
            )
        if undone:
            await connection.execute(
                "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at,"
                " finished_at) VALUES ($1, 'undo_renewal', 1, 'succeeded', now(), now())",
                operation.id,
            )
        if status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED):
            await _end(connection, operation, status, told=told, dated=dated)
            if released:
                await domains.release(connection, name, operation.id)
    return operation.id


async def _end(
    connection: Connection, operation: Operation, status: Status, *, told: int, dated: bool
) -> None:
    ways = [(Channel.EMAIL, "ada@example.com"), (Channel.SMS, "+15550100")][:told]
    messages = [Message("customer", way, whom, "About it", "It.") for way, whom in ways]
    await notifications.owe(connection, {operation.id: messages})
    succeeded = status == Status.SUCCEEDED
    if succeeded and dated:
        # Under another operation's name, so that the claim is left to `released`.
        renewed = Renewed(operation.input["request"]["domain"], "nobody", RENEWED_TO)
        await domains.record_renewed(connection, [renewed])
    result = RESULT if succeeded else None
    await store.move(connection, operation, status, action="ended", result=result)


async def _hold(
    house: House, connection: Connection, operation_id: str, settled: str, to: SystemAccount
) -> None:
    hold = NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=house.account_id,
        credit_account_id=system_account_id(to, "USD"),
        amount_minor=PRICE_MINOR,
        currency="USD",
        code="renewal",
        operation_id=operation_id,
    )
    await house.ledger.hold(connection, hold)
    if settled == "posted":
        await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER))
    elif settled == "in part":
        await house.ledger.post_hold(connection, hold.id, new_id(TRANSFER), 1)
    elif settled == "voided":
        await house.ledger.void_hold(connection, hold.id, new_id(TRANSFER))


async def broken_by(house: House, renewal_id: str) -> set[str]:
    found = [
        *await operations.violations(house.pool, limit=10_000),
        *await renewals.violations(house.pool, limit=10_000),
    ]
    return {violation.name for violation in found if renewal_id in violation.subject_ids}


async def succeeded(house: House, **changes: Any) -> str:
    given = {"settled": "posted", "answer": RENEWED} | changes
    return await renewal(house, Status.SUCCEEDED, **given)


@pytest.mark.parametrize(
    ("status", "traces"),
    [
        (Status.PENDING, {}),
        (Status.PROCESSING, {"settled": "held", "answer": RENEWED}),
        (Status.SUCCEEDED, {"settled": "posted", "answer": RENEWED}),
        (Status.FAILED, {}),
        (Status.FAILED, {"settled": "voided"}),
        (Status.FAILED, {"settled": "voided", "answer": RENEWED | {"status": "undone"}}),
        (Status.CANCELLED, {"settled": "voided", "answer": RENEWED, "undone": True}),
    ],
)
async def test_renewals_as_they_should_be_break_nothing_r1(
    house: House, status: Status, traces: dict[str, Any]
) -> None:
    assert await broken_by(house, await renewal(house, status, **traces)) == set()


async def test_a_cancelled_renewal_that_moved_money_is_found(house: House) -> None:
    broken = await broken_by(house, await renewal(house, Status.CANCELLED, settled="posted"))
    assert broken == {"other_renewals_moved_nothing"}


@pytest.mark.parametrize(
    "change",
    [
        {"settled": None},
        {"settled": "voided"},
        {"settled": "in part"},
        {"to": SystemAccount.GATEWAY_CLEARING},
    ],
)
async def test_a_succeeded_renewal_that_moved_something_else_is_found(
    house: House, change: dict[str, Any]
) -> None:
    broken = await broken_by(house, await succeeded(house, **change))
    assert broken == {"succeeded_renewals_posted_once"}


@pytest.mark.parametrize("told", [0, 2])
async def test_a_message_too_few_or_too_many_is_found(house: House, told: int) -> None:
    broken = await broken_by(house, await succeeded(house, told=told))
    assert broken == {"renewals_owe_their_messages"}


@pytest.mark.parametrize(
    "answer", [None, RENEWED | {"status": "undone"}, RENEWED | {"renewal_id": "ren_2"}]
)
async def test_a_success_without_the_registrys_word_is_found(
    house: House, answer: dict[str, Any] | None
) -> None:
    broken = await broken_by(house, await succeeded(house, answer=answer))
    assert broken == {"succeeded_renewals_were_answered_renewed"}


async def test_a_renewal_left_at_the_registry_is_found(house: House) -> None:
    renewal_id = await renewal(house, Status.CANCELLED, settled="voided", answer=RENEWED)
    assert await broken_by(house, renewal_id) == {"other_renewals_undid_what_was_renewed"}


async def test_a_domain_without_its_new_date_is_found(house: House) -> None:
    broken = await broken_by(house, await succeeded(house, dated=False))
    assert broken == {"renewed_domains_have_their_date"}


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_claim_that_outlives_its_renewal_is_found(house: House, status: Status) -> None:
    traces = {"settled": "posted", "answer": RENEWED} if status == Status.SUCCEEDED else {}
    renewal_id = await renewal(house, status, released=False, **traces)  # type: ignore[arg-type]
    assert await broken_by(house, renewal_id) == {"claims_are_of_open_renewals"}


async def test_an_open_renewal_without_its_claim_is_found(house: House) -> None:
    renewal_id = await renewal(house, Status.PROCESSING, settled="held")
    operation = await house.operations.get(renewal_id)
    async with transaction(house.pool) as connection:
        await domains.release(connection, operation.input["request"]["domain"], renewal_id)
    assert await broken_by(house, renewal_id) == {"claims_are_of_open_renewals"}


async def reported(
    house: House, reference: str, status: str = "renewed", **otherwise: Any
) -> RegistryRenewal:
    """Return what the registry's log has of a renewal, as it should be, or otherwise."""
    domain = await house.pool.fetchval(
        "SELECT input->'request'->>'domain' FROM operations WHERE id = $1", reference
    )
    entry = RegistryRenewal(
        new_id("ren"), reference, domain or "a.info", 1, RENEWED_TO, PRICE_MINOR, "USD", status
    )
    return replace(entry, **otherwise)


async def test_the_registrys_log_is_compared_r1(house: House) -> None:
    async def undone() -> str:
        return await renewal(house, Status.CANCELLED, settled="voided")

    good = [
        await reported(house, await succeeded(house)),
        await reported(house, await undone(), "undone"),
        await reported(house, await renewal(house, Status.PROCESSING, settled="held")),
        await reported(house, "legacy-4711"),
    ]
    twice, never, dear, earlier = [await succeeded(house) for _ in range(4)]
    taken_back, kept, stranger = await succeeded(house), await undone(), new_id("rnw")
    elsewhere, abroad, undone_stranger = *[await succeeded(house) for _ in range(2)], new_id("rnw")
    undecided = await undone()
    listed = [
        *good,
        *[await reported(house, twice) for _ in range(2)],
        await reported(house, dear, price_minor=PRICE_MINOR + 1),
        await reported(house, earlier, expires_on=EXPIRES_ON),
        await reported(house, taken_back, "undone"),
        await reported(house, kept),
        await reported(house, stranger),
        await reported(house, elsewhere, domain="b.info"),
        await reported(house, abroad, currency="JPY"),
        await reported(house, undecided, "requires_action"),
        await reported(house, undone_stranger, "undone"),
    ]

    async def log() -> AsyncIterator[RegistryRenewal]:
        for one in listed:
            yield one

    async with house.pool.acquire() as connection:
        found = await renewals.REGISTRY_BOOKS.compare(
            connection, {"registry-info": log()}, limit=10_000
        )
        others = await renewals.REGISTRY_BOOKS.compare(connection, {}, limit=10_000)
    broken: dict[str, set[str]] = {}
    for violation in found:
        broken.setdefault(violation.subject_ids[0], set()).add(violation.name)
    mine = {one.reference for one in good}
    assert not mine & broken.keys()
    assert broken[twice] == {"renewed_at_most_once", "succeeded_renewed_once"}
    for one in (never, dear, earlier, taken_back, elsewhere, abroad):
        assert broken[one] == {"succeeded_renewed_once"}
    for one in (kept, undecided):
        assert broken[one] == {"others_left_as_they_were"}
    for one in (stranger, undone_stranger):
        assert broken[one] == {"renewals_have_an_operation"}
    assert others == []
