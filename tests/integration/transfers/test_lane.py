"""A bank that is away for a while, met by a lane."""

import asyncio
from pathlib import Path

import pytest

from perdure.durable.lanes.reporting import LaneReporting
from perdure.operations import verify
from perdure.simulators.bank import BankSettings, open_bank
from perdure.transfers.contracts import KIND
from tests.integration.cli.shell import Shell, served_api
from tests.integration.payments.town import Town
from tests.polls import eventually

from .transfers import accept, actions, bank_misbehaves, ended, own_lane, payouts, transfer


async def test_a_bank_that_asks_for_time_pauses_the_lane_which_then_goes_on(
    quiet_town: Town,
) -> None:
    town = quiet_town
    account = await town.account(funds_minor=50_000)
    found = [(await accept(town, account, lane=1)).id for _ in range(20)]
    async with own_lane(town, 1, bank_timeout_s=20) as lane:
        async with bank_misbehaves(town, "rate_limited"):
            running = asyncio.create_task(lane.run())

            async def all_were_refused() -> bool:
                totals = (await town.bank.get("/v1/totals")).json()
                return bool(totals["refusals"] >= len(found))

            await eventually(all_were_refused)
        stretch = await running
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (20, 0, True)
    for one in found:
        operation = await town.platform.operations.get(one)
        assert (ended(operation), operation.lane) == (("succeeded", None), 1)
        assert await payouts(town, one) == ["paid"]
    assert (await town.balance(account)).available_minor == 30_000


async def test_a_bank_nobody_reaches_pauses_the_lane_until_it_is_back(
    quiet_town: Town, tmp_path: Path, own_port: int
) -> None:
    account = await quiet_town.account(funds_minor=50_000)
    found = [(await accept(quiet_town, account, lane=2)).id for _ in range(10)]
    async with own_lane(
        quiet_town, 2, bank_url=f"http://127.0.0.1:{own_port}", bank_timeout_s=20
    ) as lane:
        running = asyncio.create_task(lane.run())

        async def each_has_met_that_there_is_nobody() -> bool:
            return await _not_made(quiet_town, found) == len(found)

        await eventually(each_has_met_that_there_is_nobody)
        async with open_bank(BankSettings(tmp_path, port=own_port)):
            stretch = await running
    assert (stretch.done, stretch.promoted) == (10, 0)
    ends = [ended(await quiet_town.platform.operations.get(one)) for one in found]
    assert ends == [("succeeded", None)] * 10


async def test_a_bank_that_is_down_has_transfers_go_on_under_their_own_workflows(
    town: Town,
) -> None:
    account = await town.account(funds_minor=5_000)
    async with bank_misbehaves(town, "unavailable_before"):
        found = await transfer(town, account, lane=3)
        await town.until(found, {"unknown"})
    assert ended(await town.end_of(found)) == ("succeeded", None)
    assert "promoted" in await actions(town, found)
    assert await payouts(town, found) == ["paid"]


async def until_idle(town: Town, number: int, *, done: int) -> None:
    """Wait until a lane has ended its stretch, and takes nothing on without being told."""
    reporting = LaneReporting(town.platform.client, town.platform.queues)

    async def has_done_them() -> bool:
        lane = await reporting.progress(KIND, number)
        return lane is not None and lane.done == done

    await eventually(has_done_them)


async def test_a_lane_with_something_to_do_is_listed_with_what_it_did(quiet_town: Town) -> None:
    town = quiet_town
    account = await town.account()
    done = await transfer(town, account, lane=4)
    await town.end_of(done)
    await until_idle(town, 4, done=1)
    waiting = [(await accept(town, account, lane=number)).id for number in (4, 4, 5)]
    found = (await town.api.get("/v1/lanes")).json()["data"]
    lanes = {lane["number"]: lane for lane in found if lane["kind"] == KIND}
    assert (lanes[4]["count"], lanes[4]["workflow"]) == (2, "running")
    assert (lanes[4]["done"], lanes[4]["promoted"]) == (1, 0)
    assert (lanes[5]["count"], lanes[5]["workflow"]) == (1, "not running")
    assert lanes[5]["done"] is None
    await town.platform.operations.run_lanes(KIND, [4, 5])
    for one in waiting:
        assert ended(await town.end_of(one)) == ("succeeded", None)


async def test_the_lanes_are_shown_also_while_temporal_is_away(
    quiet_town: Town, tmp_path: Path
) -> None:
    account = await quiet_town.account()
    for _ in range(3):
        await accept(quiet_town, account, lane=7)
    platform = quiet_town.platform
    url = platform.settings.require_database_url()
    async with served_api(url, platform.pool) as api:
        shell = Shell(url, tmp_path, api)
        (lane,) = [lane for lane in shell.json("lanes")["data"] if lane["number"] == 7]
        assert (lane["kind"], lane["count"]) == (KIND, 3)
        assert (lane["workflow"], lane["done"]) == ("not answering", None)
        assert "not answering" in shell.run("lanes").stdout


@pytest.mark.parametrize(("kinds", "broken"), [([KIND], False), (["payment"], True)])
async def test_a_lane_nothing_drives_is_found(
    quiet_town: Town, kinds: list[str], broken: bool
) -> None:
    account = await quiet_town.account()
    found = (await accept(quiet_town, account, lane=6)).id
    left = await verify.lane_violations(quiet_town.platform.pool, kinds, limit=10_000)
    assert (found in {violation.subject_ids[0] for violation in left}) is broken


async def _not_made(town: Town, operation_ids: list[str]) -> int:
    count: int = await town.platform.pool.fetchval(
        "SELECT count(*) FROM provider_calls WHERE operation_id = ANY($1) AND state = 'not_made'",
        operation_ids,
    )
    return count
