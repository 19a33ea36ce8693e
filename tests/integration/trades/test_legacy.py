"""Trades between the old system and Perdure: the same trade, and nothing of it twice (T-4, T-7)."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from temporalio.client import Client

from perdure.core.clock import utc_now
from perdure.flags.model import Flag, Rule
from perdure.legacy import queue
from perdure.legacy.comparing import compare_ended, compared_since, differing_since
from perdure.legacy.moving import move
from perdure.legacy.queue import Turn
from perdure.legacy.shadow import Difference
from perdure.legacy.ways import legacy_ways
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import By
from perdure.testing.polls import eventually
from perdure.trades.contracts import TradeInput
from perdure.trades.legacy.machine import LegacyTrades
from perdure.trades.legacy.settings import LegacyTradeSettings
from perdure.trades.legacy.states import InternalStatus
from perdure.trades.legacy.tasks import RECONCILE, add_tasks, celery_app
from perdure.trades.verify import ASSET_BOOKS, WALLET_BOOKS, violations

from .exchange import Case, Exchange, open_exchange

BY = By("ada", "It is wanted.")
FLAG = "trades-engine"
SERVICE = {"block_asset": "Block", "move_money": "Transfer", "deliver_asset": "Deliver"}


@pytest.fixture(scope="module")
async def opened(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    folder = tmp_path_factory.mktemp("exchange")
    async with open_exchange(postgres_url, temporal_client, folder) as exchange:
        yield exchange


@pytest.fixture
async def exchange(opened: Exchange) -> AsyncIterator[Exchange]:
    """An exchange whose flag sends trades to the old system until the test says otherwise."""
    await send_to(opened, "legacy")
    yield opened
    await opened.mend()
    await send_to(opened, "perdure")


@pytest.fixture
def legacy(exchange: Exchange) -> LegacyTrades:
    platform = exchange.house.platform
    return LegacyTrades(
        platform.pool, platform.ledger, exchange.assets, exchange.wallets, timeout_s=1
    )


async def send_to(exchange: Exchange, *variant: str, rules: tuple[Rule, ...] = ()) -> Flag:
    platform = exchange.house.platform
    before = await platform.flags.get(FLAG)
    wanted = replace(before, default_variant=variant[0], rules=rules)
    await platform.flags.put(wanted, actor="tests", reason="a test")
    await platform.flag_provider.refresh()
    return before


async def step(exchange: Exchange, legacy: LegacyTrades, case: Case) -> str:
    """Have a runner do one thing of a trade; returns what is next then."""
    await legacy.advance(await turn_of(exchange, legacy, case))
    return await next_of(exchange, case)


async def turn_of(exchange: Exchange, legacy: LegacyTrades, case: Case) -> Turn:
    """Return the turn at a trade: the one that was sent, or else the reconciler's, at once."""
    sent = await exchange.house.platform.pool.fetchrow(
        "SELECT operation_id, internal_status, reconciliation_attempts FROM legacy_operations"
        " WHERE operation_id = $1 AND state = 'sent'",
        case.id,
    )
    if sent is not None:
        return Turn(*sent)
    await exchange.house.platform.pool.execute(
        "UPDATE legacy_operations SET reconciliation_next_run_time = now() WHERE operation_id = $1",
        case.id,
    )
    (turn,) = [one for one in await legacy.due(limit=100) if one.operation_id == case.id]
    return turn


async def next_of(exchange: Exchange, case: Case) -> str:
    row = await exchange.house.platform.pool.fetchrow(
        "SELECT internal_status, state FROM legacy_operations WHERE operation_id = $1", case.id
    )
    assert row is not None
    return str(row["state" if row["state"] in {"ended", "moved"} else "internal_status"])


async def run_out(exchange: Exchange, legacy: LegacyTrades, case: Case) -> None:
    async def has_ended() -> bool:
        return await step(exchange, legacy, case) == "ended"

    await eventually(has_ended, pause_s=0.01)


async def calls_of(exchange: Exchange, case: Case) -> dict[str, int]:
    """Return how often each service did something for a trade."""
    blocks = [one async for one in exchange.assets.blocks() if one.reference == case.id]
    transfers = [one async for one in exchange.wallets.transfers() if one.reference == case.id]
    return {"blocks": len(blocks), "transfers": len(transfers)}


async def test_a_state_machine_in_the_database_carries_a_trade_out_t4(
    exchange: Exchange, legacy: LegacyTrades
) -> None:
    case = await exchange.trade()
    assert case.operation.lane == ELSEWHERE
    passed = [await next_of(exchange, case)]
    while passed[-1] != "ended":
        passed.append(await step(exchange, legacy, case))
    assert passed == ["block_asset", "move_money", "deliver_asset", "settle", "ended"]
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)


async def test_the_flag_decides_by_asset_and_account_and_what_it_said_is_kept_t7(
    exchange: Exchange, legacy: LegacyTrades
) -> None:
    made = [await exchange.request() for _ in range(2)]
    of_one = {"assets": ("GEM",), "accounts": (made[1][0].seller_account_id,)}
    await send_to(exchange, "legacy", rules=(Rule("perdure", where=of_one),))
    taken = await exchange.accept([request for request, _, _ in made], lane=None)
    assert [one.lane for one in taken] == [ELSEWHERE, None]
    await send_to(exchange, "legacy")
    cases = [Case(one, *parts) for one, parts in zip(taken, made, strict=True)]
    await exchange.house.platform.operations.begin(taken[1])
    await run_out(exchange, legacy, cases[0])
    assert [await exchange.ended(case) for case in cases] == [("succeeded", None)] * 2
    rows = await exchange.house.platform.pool.fetch(
        "SELECT engine, reason FROM operation_routes WHERE operation_id = ANY($1) ORDER BY engine",
        [case.id for case in cases],
    )
    assert [tuple(row) for row in rows] == [("legacy", "DEFAULT"), ("perdure", "TARGETING_MATCH")]


@pytest.mark.parametrize("method", SERVICE.values())
async def test_what_is_refused_is_undone_by_the_old_way_too_t4(
    exchange: Exchange, legacy: LegacyTrades, method: str
) -> None:
    fault = {"fault": "refused", "methods": [method]}
    at_wallets = method == "Transfer"
    case = await exchange.trade(
        assets=None if at_wallets else fault, wallets=fault if at_wallets else None
    )
    await run_out(exchange, legacy, case)
    status, code = await exchange.ended(case)
    assert (status, code is None) == ("failed", False)
    assert not await exchange.is_exchanged(case)


@pytest.mark.parametrize("method", SERVICE.values())
async def test_a_lost_answer_is_asked_about_by_the_next_try_t4(
    exchange: Exchange, legacy: LegacyTrades, method: str
) -> None:
    fault = {"fault": "cut_after", "methods": [method], "first": 1}
    at_wallets = method == "Transfer"
    case = await exchange.trade(
        assets=None if at_wallets else fault, wallets=fault if at_wallets else None
    )
    await run_out(exchange, legacy, case)
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)
    assert await calls_of(exchange, case) == {"blocks": 1, "transfers": 1}


async def test_a_turn_is_used_once_whoever_has_it_t4(
    exchange: Exchange, legacy: LegacyTrades
) -> None:
    """However often Celery delivers a task, and whatever a dead runner's task does later."""
    case = await exchange.trade(assets={"fault": "delay", "methods": ["Block"], "first": 1})
    turn = await turn_of(exchange, legacy, case)
    found = await asyncio.gather(*(legacy.advance(turn) for _ in range(3)))
    assert sorted(one is None for one in found) == [False, True, True]
    assert await legacy.advance(turn) is None
    assert (await calls_of(exchange, case))["blocks"] == 1
    await run_out(exchange, legacy, case)
    assert await exchange.is_exchanged(case)


async def test_a_runner_that_is_taken_to_be_dead_writes_nothing_more_t4(
    exchange: Exchange, legacy: LegacyTrades
) -> None:
    case = await exchange.trade()
    (turn,) = [one for one in await legacy.due(limit=100) if one.operation_id == case.id]
    await queue.begin(exchange.house.platform.pool, turn)
    await exchange.house.platform.pool.execute(
        "UPDATE legacy_operations SET reconciliation_next_run_time = now() WHERE operation_id = $1",
        case.id,
    )
    (again,) = [one for one in await legacy.due(limit=100) if one.operation_id == case.id]
    assert again == Turn(case.id, turn.internal_status, turn.attempt + 1)
    with pytest.raises(queue.TurnLost):
        await queue.put_back(exchange.house.platform.pool, turn, "late", after_s=0)
    await legacy.advance(again)
    await run_out(exchange, legacy, case)
    assert await exchange.is_exchanged(case)


STAGES = list(InternalStatus)[:4]


@pytest.mark.parametrize("begun", [False, True], ids=["between", "amid"])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_half_done_trade_is_adopted_and_nothing_is_repeated_t7(
    exchange: Exchange, legacy: LegacyTrades, stage: InternalStatus, begun: bool
) -> None:
    """Amid: the call was made, and its runner died before it could write that."""
    case = await exchange.trade()
    while await next_of(exchange, case) != stage:
        await step(exchange, legacy, case)
    if begun:
        await die_amid(exchange, legacy, case, stage)
    await adopted(exchange, case)
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)
    assert await calls_of(exchange, case) == {"blocks": 1, "transfers": 1}


@pytest.mark.parametrize(
    ("why", "stage"),
    [
        ("refused", InternalStatus.CLOSE),
        ("cancelled", InternalStatus.RETURN_MONEY),
        ("cancelled", InternalStatus.UNBLOCK_ASSET),
    ],
)
async def test_a_trade_that_is_being_undone_is_adopted_t7(
    exchange: Exchange, legacy: LegacyTrades, stage: InternalStatus, why: str
) -> None:
    refuses = {"fault": "refused", "methods": ["Deliver"]} if why == "refused" else None
    case = await exchange.trade(assets=refuses)
    while await next_of(exchange, case) != InternalStatus.DELIVER_ASSET:
        await step(exchange, legacy, case)
    if why == "cancelled":
        await exchange.house.platform.operations.actions.cancel(case.id, BY)
    while await next_of(exchange, case) != stage:
        await step(exchange, legacy, case)
    await exchange.mend()
    await adopted(exchange, case)
    ends = {"refused": ("failed", "recipient_frozen"), "cancelled": ("cancelled", "cancelled")}
    assert await exchange.ended(case) == ends[why]
    assert not await exchange.is_exchanged(case)


async def die_amid(
    exchange: Exchange, legacy: LegacyTrades, case: Case, stage: InternalStatus
) -> None:
    turn = await turn_of(exchange, legacy, case)
    await queue.begin(exchange.house.platform.pool, turn, run_s=0)
    if stage in SERVICE:
        await legacy.call(turn, TradeInput(case.id, case.request))


async def adopted(exchange: Exchange, case: Case) -> None:
    platform = exchange.house.platform
    async with platform.operations.transaction() as connection:
        moved = await move(
            connection, legacy_ways(), "asset-GEM", actor="tests", reason="Now.", limit=100
        )
    for one in moved:
        await platform.operations.begin(one)
    assert case.id in {one.id for one in moved}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own."""
    socket = tmp_path / "redis.sock"
    with subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    ) as server:
        yield f"redis+socket://{socket}"
        server.terminate()


async def test_celery_delivers_a_running_task_again_and_nothing_is_done_twice_t4(
    exchange: Exchange, legacy: LegacyTrades, broker: str
) -> None:
    """Its visibility time-out is a second, and the call takes longer: see celery#5935."""
    loop = asyncio.get_running_loop()
    delivered: Counter[Turn] = Counter()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    class Counted(LegacyTrades):
        async def advance(self, turn: Turn) -> Turn | None:
            delivered[turn] += 1
            return await super().advance(turn)

    platform = exchange.house.platform
    slow = Counted(platform.pool, platform.ledger, exchange.assets, exchange.wallets, timeout_s=5)
    case = await exchange.trade(assets={"fault": "delay", "methods": ["Block"], "first": 1})
    app = celery_app(LegacyTradeSettings(broker_url=broker, visibility_timeout_s=1))
    add_tasks(app, slow, run)
    worker = start_worker(app, pool="threads", concurrency=4, perform_ping_check=False)
    await asyncio.to_thread(worker.__enter__)
    try:
        app.send_task(RECONCILE)
        assert await exchange.ended(case) == ("succeeded", None)
    finally:
        await asyncio.to_thread(worker.__exit__, None, None, None)
    assert delivered[Turn(case.id, "block_asset", 1)] > 1
    assert await exchange.is_exchanged(case)
    assert await calls_of(exchange, case) == {"blocks": 1, "transfers": 1}


async def test_what_the_old_way_did_is_what_perdure_would_have_done_t7(exchange: Exchange) -> None:
    """Of all that it has ended here: done, refused at each step, asked about, tried again."""
    pool, since = exchange.house.platform.pool, utc_now() - timedelta(hours=1)
    await compare_ended(pool)  # what the janitor has not
    (equal,) = await compared_since(pool, since)
    assert (equal.kind, equal.difference, equal.count > 5) == ("trade", None, True)
    # Had it ended one as something else, it would be told.
    await pool.execute(
        "WITH one AS (UPDATE legacy_operations SET compared_at = NULL WHERE operation_id = ("
        " SELECT operation_id FROM legacy_operations JOIN operations ON id = operation_id"
        " WHERE state = 'ended' AND status = 'succeeded' LIMIT 1) RETURNING operation_id)"
        " UPDATE operations SET result = result || '{\"earned_minor\": 1}' FROM one"
        " WHERE id = operation_id"
    )
    await compare_ended(pool)
    (told,) = await eventually(lambda: differing_since(pool, since, limit=10))
    assert (told.kind, told.difference) == ("trade", Difference.END)
    assert told.parts["end"]["legacy"]["result"]["earned_minor"] == 1


async def test_the_old_ways_books_agree_t4(exchange: Exchange) -> None:
    assert await violations(exchange.house.platform.pool) == []
    assert await exchange.differences(ASSET_BOOKS, exchange.assets) == []
    assert await exchange.differences(WALLET_BOOKS, exchange.wallets) == []
