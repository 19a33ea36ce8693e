"""The first of a month in little: a flood, a limit, and one that does not wait behind it."""

import asyncio
import time

from perdure.limits import store as limits
from perdure.limits.model import Limit
from perdure.operations.model import FINISHED
from perdure.providers.registry import registry_name
from perdure.renewals.contracts import KIND
from tests.integration.payments.town import Town

from .renewals import accept, own_domain, renew, request_for, standings

COUNT = 150
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
    provider = registry_name("info")
    limit = Limit(provider, per_second=60, at_once=10)
    await limits.set_limit(town.platform.pool, limit, actor="tests", reason="a test")
    await asyncio.sleep(FELT_S)
    try:
        began = time.monotonic()
        accepted = [await accept(town, request_for(account, name), bulk=True) for name in names]
        await town.platform.operations.run_lanes(KIND, {one.lane or 0 for one in accepted})
        alone = await renew(town, request_for(other, await own_domain(town, other)))
        seen = []
        left = {one.id for one in accepted}
        ended_before_alone = 0
        while left:
            await asyncio.sleep(0.2)
            seen.append(await connections(town))
            rows = await town.platform.pool.fetch(
                "SELECT id, status FROM operations WHERE id = ANY($1)", [*left, alone]
            )
            ended = {row["id"] for row in rows if row["status"] in FINISHED}
            left -= ended
            if alone not in ended:
                ended_before_alone = COUNT - len(left)
        took_s = time.monotonic() - began
    finally:
        await limits.remove_limit(town.platform.pool, provider, actor="tests", reason="the end")

    assert [await standings(town, name) for name in names] == [["renewed"]] * COUNT
    outcomes = await town.platform.pool.fetch(
        "SELECT DISTINCT outcome, attempt FROM operation_steps WHERE operation_id = ANY($1)",
        [one.id for one in accepted],
    )
    assert [tuple(row) for row in outcomes] == [("succeeded", 1)], "nothing ran out of time"
    # Two calls each; never quicker than the limit allows.
    assert COUNT * 2 / took_s <= 60 * 1.1
    assert max(seen) <= town.platform.settings.database_pool_size + 2
    assert ended_before_alone < COUNT / 2, "one alone does not wait for the flood"
