"""A refund that is missing on one side, or does not say what it did, is found."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from perdure.ledger.verify import Violation
from perdure.operations import verify as operations
from perdure.payments import verify as payments
from perdure.providers.bank import Payout
from perdure.providers.gateway import Charge
from perdure.providers.registry import RegistryRenewal, registry_name
from perdure.refunds import verify as refunds
from perdure.renewals import verify as renewals
from perdure.storage.pool import Connection
from perdure.transfers import verify as transfers
from tests.integration.payments.town import Town
from tests.integration.renewals.renewals import domain

from .refunds import KINDS, Done, broken, done, refund

ALL = 100_000
Listed = TypeVar("Listed")


@dataclass(frozen=True)
class Refunded:
    """An operation and its refund, both succeeded."""

    done: Done
    refund_id: str

    async def named_by(self, *found: Iterable[Violation]) -> set[str]:
        ours = {self.done.id, self.refund_id}
        return {one.name for part in found for one in part if ours & set(one.subject_ids)}


async def refunded(town: Town, kind: str) -> Refunded:
    found = await done(town, kind)
    asked = await refund(town, found.id)
    assert (await town.end_of(asked.id)).status == "succeeded"
    assert await broken(town, found.id, asked.id) == set()
    return Refunded(found, asked.id)


@asynccontextmanager
async def tampered(town: Town, statement: str, *arguments: Any) -> AsyncIterator[Connection]:
    """Change the books behind everybody's back, until the context ends."""
    async with town.platform.pool.acquire() as connection:
        change = connection.transaction()
        await change.start()
        try:
            await connection.execute("SET LOCAL session_replication_role = replica")
            assert (await connection.execute(statement, *arguments))[-2:] != " 0"
            yield connection
        finally:
            await change.rollback()


async def _own(connection: Connection, found: Refunded) -> set[str]:
    return await found.named_by(
        await operations.violations(connection, limit=ALL),
        await refunds.violations(connection, limit=ALL),
        await renewals.violations(connection, limit=ALL),
    )


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "DELETE FROM ledger_transfers WHERE operation_id = $1",
            {"succeeded_refunds_reversed_what_was_taken"},
        ),
        (
            "UPDATE ledger_transfers SET amount_minor = amount_minor - 1 WHERE operation_id = $1",
            {"succeeded_refunds_reversed_what_was_taken"},
        ),
        (
            "UPDATE provider_calls SET state = 'unknown' WHERE reference = $1",
            {"refunds_were_answered_as_they_ended", "no_call_left_unknown"},
        ),
        (
            "DELETE FROM notifications WHERE operation_id = $1",
            {"refunds_owe_their_messages"},
        ),
        ("UPDATE operations SET refunded_by = NULL WHERE refunded_by = $1", {"refunded_once"}),
        (
            "UPDATE operations SET status = 'failed' WHERE id = $1",
            {
                "other_refunds_moved_nothing",
                "refunds_were_answered_as_they_ended",
                "refunded_once",
                "trails_end_with_the_status",
            },
        ),
    ],
)
async def test_a_refund_that_is_not_what_it_says_is_found(
    town: Town, statement: str, expected: set[str]
) -> None:
    found = await refunded(town, "payment")
    async with tampered(town, statement, found.refund_id) as connection:
        assert await _own(connection, found) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("expires_on = expires_on + 365", "renewed_domains_have_their_date"),
        ("renewing = $2", "claims_are_of_open_renewals"),
    ],
)
async def test_a_domain_that_does_not_fit_its_refund_is_found(
    town: Town, change: str, expected: str
) -> None:
    found = await refunded(town, "renewal")
    statement = f"UPDATE domains SET {change} WHERE name = $1 AND $2::text IS NOT NULL"
    async with tampered(town, statement, found.done.domain, found.refund_id) as connection:
        assert await _own(connection, found) == {expected}


async def test_a_refund_that_only_one_side_knows_of_is_found_at_the_gateway(town: Town) -> None:
    found = await refunded(town, "payment")
    amount = found.done.amount_minor

    async def compare(connection: Connection, refunded_minor: int) -> set[str]:
        charge = Charge(
            "ch_1", found.done.id, amount, "USD", "succeeded", refunded_minor=refunded_minor
        )
        listed = _listed([charge])
        return await found.named_by(
            await payments.GATEWAY_BOOKS.compare(connection, {"gateway": listed}, limit=ALL)
        )

    async with town.platform.pool.acquire() as connection:
        assert await compare(connection, amount) == set()
        assert await compare(connection, 0) == {"succeeded_charged_once"}
    async with _unknown_to_us(town, found) as changed:
        assert await compare(changed, amount) == {"succeeded_charged_once"}


async def test_a_refund_that_only_one_side_knows_of_is_found_at_the_bank(town: Town) -> None:
    found = await refunded(town, "transfer")
    amount = found.done.amount_minor

    async def compare(connection: Connection, status: str) -> set[str]:
        payout = Payout("po_1", found.done.id, amount, "USD", status)
        listed = _listed([payout])
        return await found.named_by(
            await transfers.BANK_BOOKS.compare(connection, {"bank": listed}, limit=ALL)
        )

    async with town.platform.pool.acquire() as connection:
        assert await compare(connection, "recalled") == set()
        assert await compare(connection, "paid") == {"succeeded_paid_out_once"}
    async with _unknown_to_us(town, found) as changed:
        assert await compare(changed, "recalled") == {"succeeded_paid_out_once"}


async def test_a_refund_that_only_one_side_knows_of_is_found_at_the_registry(town: Town) -> None:
    found = await refunded(town, "renewal")
    ends = (await domain(town, found.done.domain)).expires_on
    name = registry_name("info")

    async def compare(connection: Connection, status: str) -> set[str]:
        renewal = RegistryRenewal(
            "ren_1", found.done.id, found.done.domain, 1, ends, 1499, "USD", status
        )
        logs = {name: _listed([renewal])}
        return await found.named_by(
            await renewals.REGISTRY_BOOKS.compare(connection, logs, limit=ALL)
        )

    async with town.platform.pool.acquire() as connection:
        assert await compare(connection, "undone") == set()
        assert await compare(connection, "renewed") == {"succeeded_renewed_once"}
    async with _unknown_to_us(town, found) as changed:
        assert await compare(changed, "undone") == {"succeeded_renewed_once"}


async def test_all_books_agree_in_the_end(town: Town) -> None:
    for kind in KINDS:
        await refunded(town, kind)
    assert await broken(town) == set()


@asynccontextmanager
async def _unknown_to_us(town: Town, found: Refunded) -> AsyncIterator[Connection]:
    forget = "UPDATE operations SET refunded_by = NULL WHERE id = $1"
    async with tampered(town, forget, found.done.id) as connection:
        yield connection


async def _listed(entries: list[Listed]) -> AsyncIterator[Listed]:
    for entry in entries:
        yield entry
