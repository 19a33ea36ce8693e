"""How the fleet stands, read from a database in which something of everything is."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import cast

import pytest
from temporalio.client import Client

from perdure import fleet
from perdure.core.metrics import Gauge
from perdure.fleet import Fleet
from perdure.limits import store as limits
from perdure.limits.model import Ask, Limit
from perdure.operations.standing import flow
from perdure.storage.pool import Pool, open_pool
from tests.collected import Collected, collecting
from tests.polls import eventually
from tests.servers import migrated_database


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of the test's own: all that is in it is counted."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=4) as opened:
        yield opened


def fleet_of(pool: Pool, *, leads: bool = True) -> Fleet:
    return Fleet(
        pool,
        cast("Client", None),  # of no queue it is asked nothing
        queues={},
        kinds=["payment", "refund"],
        providers=["bank", "gateway"],
        payload_key="2026-11",
        leads=lambda: leads,
    )


OPERATIONS = """
INSERT INTO operations (id, kind, status, customer_id, input, lane, failure, created_at, updated_at,
    finished_at)
SELECT 'op_' || number, kind, status, 'cus_1', '{}', lane, failure, now() - interval '60 s',
    now() - age, CASE WHEN status IN ('succeeded', 'failed') THEN now() END
FROM (VALUES
    (1, 'payment', 'unknown', NULL, NULL::jsonb, interval '30 s'),
    (2, 'payment', 'unknown', NULL, NULL, interval '300 s'),
    (3, 'transfer', 'needs_attention', NULL, '{"code": "bank_unavailable"}', interval '9 s'),
    (4, 'transfer', 'pending', 2, NULL, interval '0 s'),
    (5, 'transfer', 'pending', 3, NULL, interval '0 s'),
    (6, 'renewal', 'processing', -3, NULL, interval '0 s'),
    (7, 'payment', 'succeeded', NULL, NULL, interval '0 s'),
    (8, 'payment', 'failed', NULL, '{"code": "card_declined"}', interval '0 s'),
    (9, 'payment', 'failed', NULL, '{"code": "gateway_unavailable"}', interval '0 s')
) AS made (number, kind, status, lane, failure, age)
"""


async def test_what_stands_still_is_told_with_its_age(pool: Pool) -> None:
    await pool.execute(OPERATIONS)
    await pool.execute(
        "INSERT INTO provider_callbacks (provider, event_id, operation_id, event, received_at)"
        " VALUES ('gateway', 'evt_1', 'op_1', '{}', now() - interval '40 s')"
    )
    await pool.execute(
        "INSERT INTO notifications (id, operation_id, audience, channel, recipient, subject, body,"
        " created_at) SELECT 'ntf_' || number, 'op_7', 'payer', 'email', 'a@example.com', '', '',"
        " now() - interval '50 s' FROM generate_series(1, 3) AS number"
    )
    await limits.set_limit(pool, Limit("bank", None, 7), actor="test", reason="few")
    await limits.ask(pool, "bank", "prc_1", Ask(waiting=1, under_way=2))
    await pool.execute(
        "INSERT INTO verifications (through, began_at, is_whole, fingerprint, violations)"
        " VALUES (now(), now(), true, '', 3)"
    )
    with collecting() as told:
        await fleet_of(pool).look()

    assert told.value(fleet.OPEN, kind="payment", status="unknown") == 2
    assert 300 <= (told.value(fleet.OLDEST, kind="payment", status="unknown") or 0) < 3000
    assert told.value(fleet.OPEN, kind="transfer", status="needs_attention") == 1
    assert told.value(fleet.IN_LANES, kind="transfer", gear="flood") == 2
    assert told.value(fleet.IN_LANES, kind="renewal", gear="interactive") == 1
    assert (told.value(fleet.LANES_OLDEST, kind="transfer", gear="flood") or 0) >= 60
    assert told.value(fleet.CALLBACKS, provider="gateway") == 1
    assert (told.value(fleet.CALLBACKS_OLDEST, provider="gateway") or 0) >= 40
    assert told.value(fleet.MESSAGES) == 3
    assert (told.value(fleet.MESSAGES_OLDEST) or 0) >= 50
    assert told.value(fleet.AT_ONCE_MAX, provider="bank") == 7
    assert told.value(fleet.WANTED, provider="bank") == 3
    assert told.value(fleet.STATE, provider="gateway", state="open") == 1
    assert told.value(fleet.STATE, provider="gateway", state="broken") == 0
    assert told.value(fleet.VIOLATIONS) == 3
    assert told.value(fleet.VERIFIED, scope="whole") == told.value(fleet.VERIFIED, scope="any")
    first_seen = await pool.fetchval(
        "SELECT mark FROM janitor_marks WHERE name = 'payload_key:2026-11'"
    )
    assert told.value(fleet.KEY_SINCE) == first_seen.timestamp()


async def test_what_came_in_and_ended_is_counted_once_by_whoever_looks(pool: Pool) -> None:
    with collecting() as told:
        one, other = fleet_of(pool), fleet_of(pool)
        await one.look()
        assert {*told.of(fleet.ACCEPTED).values(), *told.of(fleet.ENDED).values()} == {0}
        await pool.execute(OPERATIONS.replace("now() - interval '60 s'", "now()"))

        async def is_counted() -> bool:
            await asyncio.gather(one.look(), other.look())
            return bool(told.value(fleet.ENDED, kind="payment", status="failed"))

        # Until who writes elsewhere on this server has ended, it is not told.
        await eventually(is_counted)
        await asyncio.gather(one.look(), other.look())
    assert told.value(fleet.ACCEPTED, kind="payment") == 5
    assert told.value(fleet.ACCEPTED, kind="transfer") == 3
    assert told.value(fleet.ENDED, kind="payment", status="succeeded") == 1
    assert told.value(fleet.FAILURES, kind="payment", code="card_declined") == 1
    assert told.value(fleet.FAILURES, kind="payment", code="gateway_unavailable") == 1
    assert told.value(fleet.BROKEN, kind="payment") == 1, "a declined card is no breakdown"
    assert told.value(fleet.BROKEN, kind="refund") == 0


async def test_what_was_not_told_to_the_end_is_told_again(pool: Pool) -> None:
    async with flow(pool):
        pass
    await pool.execute(OPERATIONS.replace("now() - interval '60 s'", "now()"))

    async def seen() -> dict[str, int]:
        with pytest.raises(ZeroDivisionError):
            async with flow(pool) as found:
                raise ZeroDivisionError
        return found.accepted

    first = await eventually(seen)
    assert await seen() == first == {"payment": 5, "transfer": 3, "renewal": 1}


async def test_who_has_the_first_lane_tells_and_the_others_say_nothing(pool: Pool) -> None:
    await pool.execute(OPERATIONS)
    leads, looks, stop = False, 0, asyncio.Event()
    telling = fleet_of(pool)

    def asked() -> bool:
        nonlocal looks
        looks += 1
        return leads

    telling._leads = asked
    with collecting() as told, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "LOOK_S", 0.01)
        running = asyncio.create_task(telling.run(stop))
        await eventually(lambda: looks > 2)
        assert told.of(fleet.OPEN) == {}
        leads = True
        await eventually(lambda: told.value(fleet.LOOKED) is not None)
        assert told.value(fleet.OPEN, kind="payment", status="unknown") == 2
        leads = False
        await eventually(lambda: nothing_is_told(told))
        stop.set()
        await running


def nothing_is_told(told: Collected) -> bool:
    gauges = [one for one in vars(fleet).values() if isinstance(one, Gauge)]
    return all(math.isnan(value) for gauge in gauges for value in told.of(gauge).values())
