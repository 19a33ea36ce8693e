"""A transfer carried out by its own workflow, and by a lane: the same effects."""

from tests.integration.payments.town import Town
from tests.integration.payments.written import all_written

from .transfers import transfer


async def test_both_gears_write_the_same(town: Town) -> None:
    rows = []
    for lane in (None, 0):
        found = await transfer(town, await town.account(), lane=lane)
        await town.end_of(found)
        rows.append(await all_written(town.platform.pool, found, steps=4))
    assert rows[0]["messages"], "nothing was compared"
    assert rows[1] == rows[0]
