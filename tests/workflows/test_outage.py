"""A gateway that is away under load: told at once, nobody failed, everything goes on by itself."""

import asyncio

from perdure.cli.doctor_work import look_at_work
from perdure.operations.model import Status
from tests.integration.payments.town import Town
from tests.integration.refunds.refunds import misbehaves
from tests.polls import eventually

PAYMENTS = 15


async def test_an_outage_fails_no_payment_and_tells_nobody_so(town: Town) -> None:
    account = await town.account()
    pool = town.platform.pool

    async def is_named() -> bool:
        found = [one.detail async for one in look_at_work(pool) if one.subject == "providers"]
        return any(detail.startswith("gateway answers nobody, since ") for detail in found)

    async def have_all_met_it() -> bool:
        rows = await asyncio.gather(*(town.platform.operations.get(found) for found in ids))
        return all(row.status in {Status.WAITING, Status.UNKNOWN} for row in rows)

    payee = {"name": "Bob", "email": "bob@example.com"}
    async with misbehaves(town.gateway, "unavailable_before"):
        ids = await asyncio.gather(*(town.pay(account, payee=payee) for _ in range(PAYMENTS)))
        await eventually(is_named)
        await eventually(have_all_met_it)

    ends = await asyncio.gather(*(town.end_of(found) for found in ids))
    assert {end.status for end in ends} == {Status.SUCCEEDED}
    charges = await asyncio.gather(*(town.charges(found) for found in ids))
    assert [len(made) for made in charges] == [1] * PAYMENTS
    told = await pool.fetch(
        "SELECT DISTINCT subject FROM notifications WHERE operation_id = ANY($1)", list(ids)
    )
    assert all("received" in row["subject"] for row in told)
