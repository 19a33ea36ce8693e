"""`verify` looks at what changed since it found nothing: what breaks an old operation now."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from bench.years_of_rows import fill

from perdure.capability.verification import Verified, last_runs, verify
from perdure.storage.pool import Pool, open_pool
from tests.servers import migrated_database

OLD = "(SELECT id FROM operations WHERE kind = 'transfer' AND status = 'succeeded' LIMIT 1)"


@pytest.fixture(scope="module")
async def verified_url(postgres_url: str) -> AsyncIterator[str]:
    """A database with a year of operations, which `verify` has looked at."""
    async with migrated_database(postgres_url) as url:
        async with open_pool(url, size=4) as pool:
            await fill(pool, 500)
            first = await verify(pool, {})
            assert (first.violations, first.since) == ([], None)
        yield url


@pytest.fixture
async def pool(postgres_url: str, verified_url: str) -> AsyncIterator[Pool]:
    """One of its own, copied from that one."""
    name, copied = f"perdure_test_{uuid4().hex[:8]}", urlsplit(verified_url)
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {copied.path[1:]}")
    async with open_pool(urlunsplit(copied._replace(path=f"/{name}")), size=4) as opened:
        yield opened
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


def names(done: Verified) -> set[str]:
    return {violation.name for violation in done.violations}


ENTRY = f"""
INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor, currency, kind,
    code, operation_id)
SELECT 'ltr_late', debit_account_id, credit_account_id, 1, 'USD', 'posted', 'late', operation_id
FROM ledger_transfers WHERE operation_id = {OLD} LIMIT 1
"""


@pytest.mark.parametrize(
    ("breach", "found"),
    [
        (ENTRY, {"balances_equal_transfers", "succeeded_transfers_posted_once"}),
        (
            (
                "INSERT INTO operation_trail (operation_id, actor, action, status)"
                f" SELECT {OLD}, 'somebody', 'ended', 'failed'"
            ),
            {"trails_end_with_the_status"},
        ),
        (
            (
                "UPDATE provider_calls SET state = 'refused', updated_at = now()"
                f" WHERE operation_id = {OLD}"
            ),
            {"succeeded_transfers_were_answered_paid"},
        ),
        (
            (
                "INSERT INTO notifications SELECT (n).* FROM (SELECT jsonb_populate_record(n,"
                " jsonb_build_object('id', 'ntf_late', 'created_at', now())) AS n"
                f" FROM notifications n WHERE operation_id = {OLD}) AS late"
            ),
            {"transfers_owe_their_messages"},
        ),
        (
            f"UPDATE operations SET status = 'failed', updated_at = now() WHERE id = {OLD}",
            {"trails_end_with_the_status", "other_transfers_moved_nothing"}
            | {"other_transfers_recalled_what_was_paid"},
        ),
        (
            (
                "UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 1"
                " WHERE account_id = 'sys_bank_USD'"
            ),
            {"balances_equal_transfers", "debits_equal_credits"},
        ),
        (
            (
                "INSERT INTO ledger_open_holds (transfer_id, debit_shard, credit_shard)"
                f" SELECT id, 0, 0 FROM ledger_transfers WHERE operation_id = {OLD}"
                " AND kind = 'pending'"
            ),
            {"open_holds_are_unsettled", "pending_equals_open_holds"}
            | {"no_hold_outlives_its_operation"},
        ),
    ],
)
async def test_what_breaks_an_old_operation_now_is_found(
    pool: Pool, breach: str, found: set[str]
) -> None:
    await pool.execute(breach)
    for _ in range(2):  # what was found is found until it is right again
        done = await verify(pool, {})
        assert done.since is not None
        assert names(done) == found
    assert names(await verify(pool, {}, is_whole=True)) == found
    last, last_whole = await last_runs(pool)
    assert last is not None
    assert last == last_whole
    assert last.violations


async def test_what_leaves_no_trace_only_a_look_at_everything_finds(pool: Pool) -> None:
    await pool.execute(f"UPDATE operations SET status = 'cancelled' WHERE id = {OLD}")
    assert names(await verify(pool, {})) == set()
    assert "trails_end_with_the_status" in names(await verify(pool, {}, is_whole=True))


async def test_a_look_goes_on_from_the_last_one_that_found_nothing(pool: Pool) -> None:
    await pool.execute(
        ENTRY.replace("operation_id)", "created_at)").replace(
            "'late', operation_id", "'late', (SELECT max(through) FROM verifications)"
        )
    )
    assert names(await verify(pool, {})) == {"balances_equal_transfers"}
    await pool.execute(
        "UPDATE ledger_balances SET debits_posted_minor = debits_posted_minor + 1 WHERE account_id"
        " = (SELECT debit_account_id FROM ledger_transfers WHERE id = 'ltr_late')"
    )
    await pool.execute(
        "UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 1"
        " WHERE account_id = 'sys_bank_USD'"
    )
    for _ in range(3):  # the first adds the entry to the sums, the others find it there
        done = await verify(pool, {})
        assert (names(done), done.since is None) == (set(), False)
    assert names(await verify(pool, {}, is_whole=True)) == set()
    assert done.last_whole is not None


async def test_other_questions_are_asked_of_everything(pool: Pool) -> None:
    await pool.execute("UPDATE verifications SET fingerprint = 'of another release'")
    assert (await verify(pool, {})).since is None
    assert (await verify(pool, {})).since is not None
