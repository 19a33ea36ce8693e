"""Behind PgBouncer, which lends its connections for a transaction, everything works as without."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from perdure.core.errors import ConfigurationError
from perdure.core.ids import new_id
from perdure.operations import reporting, store
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.model import NewOperation
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.operations.verify import violations
from perdure.schema import migrate
from perdure.storage.pool import Pool, open_pool, transaction, whole_tables
from tests.integration.cli.shell import Shell
from tests.pooler import pgbouncer
from tests.servers import drop_database


@pytest.fixture(scope="module")
def pooler_url(database_url: str) -> Iterator[str]:
    with pgbouncer(database_url) as url:
        yield url


@pytest.fixture(scope="module")
async def pooled(pooler_url: str) -> AsyncIterator[Pool]:
    async with open_pool(pooler_url, size=10) as pool:
        yield pool


@pytest.fixture
def shell(pooler_url: str, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(pooler_url, tmp_path_factory.mktemp("shell"))


async def test_statements_of_many_at_once_are_not_mixed_up(pooled: Pool) -> None:
    """What one connection has prepared is not there on the next, or is another's statement."""

    async def ask(number: int) -> None:
        for times in range(5):
            value = {"number": number, "times": times}
            assert await pooled.fetchval(f"SELECT $1::jsonb AS q{number % 7}", value) == value
            assert await pooled.fetchval("SELECT $1::bigint + 1", number) == number + 1
            texts = await pooled.fetch("SELECT unnest($1::text[]) AS text", [str(number)] * 3)
            assert [row["text"] for row in texts] == [str(number)] * 3

    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(ask(number))


async def test_steps_are_done_once_however_many_do_them(pooled: Pool) -> None:
    steps = TransactionalSteps(pooled)
    operation_id = new_id("pay")
    async with transaction(pooled) as connection:
        new = NewOperation(operation_id, "pooled", "cus_pooled", {"operation_id": operation_id})
        await store.accept(connection, new, actor="test")

    async def note(step: StepTransaction) -> int:
        await store.note(step.connection, step.operation, actor="test", action="effect")
        return 5

    results = await asyncio.gather(
        *(steps.run(operation_id, "hold", 1, note, returns=int) for _ in range(8))
    )
    assert results == [5] * 8
    trail = await reporting.trail(pooled, operation_id)
    assert [entry.action for entry in trail] == ["accepted", "effect"]


async def test_nothing_is_left_set_for_the_next_who_is_lent_a_connection(
    pooled: Pool, pool: Pool
) -> None:
    async with whole_tables(pool) as direct:
        # Other tests' rows may break what they like: both ways tell the same of them.
        broken = {one.name for one in await violations(direct)}
    async with whole_tables(pooled) as connection:
        assert {one.name for one in await violations(connection)} == broken
        assert await connection.fetchval("SHOW enable_seqscan") == "on"
        assert await connection.fetchval("SHOW plan_cache_mode") == "force_custom_plan"
    found = await asyncio.gather(*(pooled.fetchval("SHOW enable_seqscan") for _ in range(8)))
    assert set(found) == {"on"}


async def test_a_lane_looks_by_itself_where_it_can_hear_nothing(pooler_url: str) -> None:
    async with LaneListener(pooler_url) as listener:
        with listener.hear("payment", 0):
            assert listener._listening is not None
            async with asyncio.timeout(60):
                await listener._listening


async def test_the_tables_come_through_it_once(pooler_url: str) -> None:
    base, _, query = pooler_url.partition("?")
    name = f"perdure_pooled_{uuid4().hex[:8]}"
    async with open_pool(pooler_url, size=1) as pool:
        await pool.execute(f"CREATE DATABASE {name}")
        url = f"{base.rpartition('/')[0]}/{name}?{query}"
        try:
            assert await migrate(url)
            assert await migrate(url) == []
        finally:
            await drop_database(pool, name)


@pytest.mark.parametrize(
    ("database", "parameter", "told"),
    [
        ("perdure", "&options=-c%20jit=off", "unsupported startup parameter: options"),
        ("nowhere", "", 'database "nowhere" does not exist'),
    ],
)
async def test_what_it_refuses_is_told_in_one_line(
    pooler_url: str, database: str, parameter: str, told: str
) -> None:
    base, _, query = pooler_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{database}?{query}{parameter}"
    with pytest.raises(ConfigurationError, match=told) as refused:
        async with open_pool(url, size=1):
            raise AssertionError("it lets us in")
    assert "\n" not in refused.value.message


def test_commands_work_and_the_doctor_names_it(shell: Shell) -> None:
    key = shell.json("keys", "create", "pooled", "--scope", "admin", "--customer", "cus_pooled")
    assert key["customer_id"] == "cus_pooled"
    done = shell.run("doctor")
    assert "behind a pooler" in done.stdout, done.stderr
