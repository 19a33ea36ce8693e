"""`perdure legacy shadow`, as a shell runs it: what was compared, and what differs."""

from datetime import UTC, datetime, timedelta

from perdure.core.ids import new_id
from perdure.storage.pool import Pool

from .shell import Shell

AT = datetime.now(UTC) + timedelta(days=1)
"""Later than whatever else is compared."""
PARTS = {"asked": {"perdure": [{"amount_minor": 606}], "legacy": [{"amount_minor": 605}]}}


async def compared(pool: Pool, difference: str | None, differing: object) -> str:
    operation_id = new_id("trd")
    await pool.execute(
        "WITH made AS (INSERT INTO operations (id, kind, status, customer_id, input, finished_at)"
        " VALUES ($1, 'trade', 'succeeded', 'cus_1', '{}', now()) RETURNING id)"
        " INSERT INTO legacy_operations (operation_id, kind, part, internal_status, state,"
        " compared_at, difference, differing)"
        " SELECT id, 'trade', 'asset-GEM', 'settle', 'ended', $2, $3, $4 FROM made",
        operation_id,
        AT,
        difference,
        differing,
    )
    return operation_id


async def test_the_shadow_counts_by_reason_and_shows_both_sides_t7(
    pool: Pool, shell: Shell
) -> None:
    await compared(pool, None, {})
    await compared(pool, "called_off", {})
    differs = await compared(pool, "asked", PARTS)
    since = ("legacy", "shadow", "--since", AT.isoformat())
    found = shell.json(*since)
    assert (found["compared"], found["equal"]) == (3, 1)
    assert {one["difference"]: one["is_for_good"] for one in found["differences"]} == {
        "asked": False,
        "called_off": True,
    }
    assert {one["operation_id"]: one["parts"] for one in found["newest"]}[differs] == PARTS
    told = shell.run(*since).stdout
    assert "3 compared, 1 equal." in told
    assert "another reference, amount or account" in told
    assert f"{differs}: asked" in told
