"""The first of a month in little: a flood, a limit, and one that does not wait behind it."""

import asyncio
import time

from perdure.limits import store as limits
from perdure.limits.model import Limit
from perdure.providers.registry import registry_name
from perdure.renewals.contracts import KIND
from tests.integration.payments.town import Town

from .renewals import accept, own_domain, renew, request_for, standings

COUNT = 150
SLOW_PER_SECOND = 15
"""At which the flood takes 20 s: who does not wait behind it has that long to end."""
FELT_S = 2.1
"""How long it may take until every process knows a limit."""


async def connections(town: Town) -> int:
    found: int = await town.platform.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    )
    return found


async def test_a_flood_is_drained_at_the_limit_by_no_more_connections_r11_r12(town: Town) -> None:
    account = await town.account(funds_minor=COUNT * 2_000)
    other = await town.account()
    names = [await own_domain(town, account) for _ in range(COUNT)]
    seen: list[int] = []
    await limit_to(town, SLOW_PER_SECOND)
    await asyncio.sleep(FELT_S)
    try:
        began = time.monotonic()
        accepted = [await accept(town, request_for(account, name), bulk=True) for name in names]
        flood = [one.id for one in accepted]
        await town.platform.operations.run_lanes(KIND, {one.lane or 0 for one in accepted})
        alone = await renew(town, request_for(other, await own_domain(town, other)))
        while await open_of(town, [alone]):
            seen.append(await connections(town))
            await asyncio.sleep(0.2)
        left = await open_of(town, flood)
        took_s = time.monotonic() - began
        await limit_to(town, 60)
        while await open_of(town, flood):
            seen.append(await connections(town))
            await asyncio.sleep(0.2)
    finally:
        provider = registry_name("info")
        await limits.remove_limit(town.platform.pool, provider, actor="tests", reason="the end")

    assert left, "one alone does not wait for the flood"
    # Two calls each; never quicker than the limit allows.
    assert (COUNT - len(left)) * 2 <= SLOW_PER_SECOND * (took_s + 1) * 1.1
    assert [await standings(town, name) for name in names] == [["renewed"]] * COUNT
    outcomes = await town.platform.pool.fetch(
        "SELECT DISTINCT outcome, attempt FROM operation_steps WHERE operation_id = ANY($1)", flood
    )
    assert [tuple(row) for row in outcomes] == [("succeeded", 1)], "nothing ran out of time"
    assert max(seen) <= town.platform.settings.database_pool_size + 2


async def limit_to(town: Town, per_second: float) -> None:
    limit = Limit(registry_name("info"), per_second=per_second, at_once=10)
    await limits.set_limit(town.platform.pool, limit, actor="tests", reason="a test")


async def open_of(town: Town, operation_ids: list[str]) -> list[str]:
    rows = await town.platform.pool.fetch(
        "SELECT id FROM operations WHERE id = ANY($1) AND finished_at IS NULL", operation_ids
    )
    return [row["id"] for row in rows]
