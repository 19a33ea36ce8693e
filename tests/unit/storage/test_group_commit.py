"""Group commit: who is written together, and who hears what of it."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from perdure.storage.group_commit import GroupCommit
from tests.polls import eventually


class Writer:
    """Writes groups; each waits for `open`, and is answered by what its items say."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.under_way = 0
        self.under_way_most = 0
        self.open = asyncio.Event()
        self.failures: dict[int, BaseException] = {}

    async def __call__(self, items: list[int]) -> Sequence[str]:
        self.groups.append(items)
        self.under_way += 1
        self.under_way_most = max(self.under_way, self.under_way_most)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        for item in items:
            if item in self.failures:
                raise self.failures[item]
        return [f"wrote {item}" for item in items]


@pytest.fixture
def writer() -> Writer:
    return Writer()


def submit(group: GroupCommit[int, str], *items: int) -> "list[asyncio.Task[str]]":
    return [asyncio.create_task(group.submit(item)) for item in items]


async def until_groups(writer: Writer, count: int) -> None:
    await eventually(lambda: len(writer.groups) >= count, pause_s=0)


async def test_an_item_alone_is_written_at_once(writer: Writer) -> None:
    writer.open.set()
    assert await GroupCommit(writer).submit(1) == "wrote 1"
    assert writer.groups == [[1]]


async def test_what_is_submitted_in_one_turn_is_one_group_with_results_in_its_order(
    writer: Writer,
) -> None:
    writer.open.set()
    group = GroupCommit(writer)
    assert await asyncio.gather(*submit(group, 3, 1, 2)) == ["wrote 3", "wrote 1", "wrote 2"]
    assert writer.groups == [[3, 1, 2]]


async def test_what_comes_while_groups_are_written_waits_and_forms_the_next(
    writer: Writer,
) -> None:
    group = GroupCommit(writer, at_once=2)
    waiting = submit(group, 1)
    await until_groups(writer, 1)
    waiting += submit(group, 2)
    await until_groups(writer, 2)
    for item in (3, 4, 5):
        waiting += submit(group, item)
        await asyncio.sleep(0)
    writer.open.set()
    assert await asyncio.gather(*waiting) == [f"wrote {item}" for item in range(1, 6)]
    assert writer.groups == [[1], [2], [3, 4, 5]]
    assert writer.under_way_most == 2


async def test_a_group_has_at_most_its_size(writer: Writer) -> None:
    writer.open.set()
    group = GroupCommit(writer, size_max=2, at_once=1)
    await asyncio.gather(*submit(group, 1, 2, 3, 4, 5))
    assert writer.groups == [[1, 2], [3, 4], [5]]


async def test_what_cannot_be_written_does_not_keep_its_group_from_being_written(
    writer: Writer,
) -> None:
    writer.failures |= {3: ValueError("3 is wrong"), 7: ValueError("7 is wrong")}
    writer.open.set()
    group = GroupCommit(writer)
    found = await asyncio.gather(*submit(group, *range(100)), return_exceptions=True)
    assert [str(one) for one in found] == [
        f"{item} is wrong" if item in writer.failures else f"wrote {item}" for item in range(100)
    ]
    assert len(writer.groups) < 20


async def test_who_leaves_while_a_group_is_split_is_left_out(writer: Writer) -> None:
    writer.failures[1] = ValueError("wrong")
    group = GroupCommit(writer, at_once=1)
    waiting = submit(group, 1, 2, 3, 4)
    await until_groups(writer, 1)
    waiting[2].cancel()
    waiting[3].cancel()
    writer.open.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert writer.groups == [[1, 2, 3, 4], [1, 2], [1], [2]]


async def test_a_database_that_is_away_fails_all_of_the_group_and_nobody_after_it(
    writer: Writer,
) -> None:
    writer.failures[2] = ConnectionError("gone")
    group = GroupCommit(writer, size_max=2, at_once=1)
    waiting = submit(group, 1, 2, 3)
    writer.open.set()
    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, ConnectionError)
    assert isinstance(second, ConnectionError)
    assert third == "wrote 3"
    assert await group.submit(4) == "wrote 4"


@pytest.mark.parametrize(("refusals", "is_written"), [(1, True), (2, True), (3, False)])
async def test_a_group_that_gave_way_to_another_transaction_is_written_again_as_a_whole(
    writer: Writer, *, refusals: int, is_written: bool
) -> None:
    errors = [asyncpg.DeadlockDetectedError("deadlock detected")] * refusals

    async def write(items: list[int]) -> Sequence[str]:
        if len(items) == 3 and errors:
            writer.groups.append(items)
            raise errors.pop()
        return await writer(items)

    writer.open.set()
    group = GroupCommit(write)
    assert await asyncio.gather(*submit(group, 1, 2, 3)) == ["wrote 1", "wrote 2", "wrote 3"]
    whole = [items for items in writer.groups if len(items) == 3]
    assert len(whole) == refusals + is_written


async def test_who_gives_way_time_and_again_hears_of_it(writer: Writer) -> None:
    writer.failures[1] = asyncpg.DeadlockDetectedError("deadlock detected")
    writer.open.set()
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await GroupCommit(writer).submit(1)
    assert writer.groups == [[1]] * 3


async def test_who_is_cancelled_before_the_write_is_left_out_of_it(writer: Writer) -> None:
    group = GroupCommit(writer, at_once=1)
    waiting = submit(group, 1)
    await until_groups(writer, 1)
    waiting += submit(group, 2, 3)
    await asyncio.sleep(0)
    waiting[1].cancel()
    writer.open.set()
    first, cancelled, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert (first, third) == ("wrote 1", "wrote 3")
    assert isinstance(cancelled, asyncio.CancelledError)
    assert writer.groups == [[1], [3]]


async def test_who_is_cancelled_during_the_write_disturbs_nobody(writer: Writer) -> None:
    group = GroupCommit(writer, at_once=1)
    waiting = submit(group, 1, 2)
    await until_groups(writer, 1)
    waiting[0].cancel()
    writer.open.set()
    cancelled, second = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert second == "wrote 2"
    assert writer.groups == [[1, 2]]


async def test_a_group_whose_submitters_are_all_gone_is_not_written(writer: Writer) -> None:
    group = GroupCommit(writer, at_once=1)
    first, second = submit(group, 1, 2)
    await asyncio.sleep(0)  # they submit; the writer begins with the next turn
    first.cancel()
    second.cancel()
    writer.open.set()
    await asyncio.gather(first, second, return_exceptions=True)
    assert writer.groups == []
    assert await group.submit(3) == "wrote 3"


async def test_a_writer_that_is_stopped_leaves_nobody_waiting_who_it_had_taken(
    writer: Writer,
) -> None:
    writer.failures[1] = asyncio.CancelledError()
    writer.open.set()
    group = GroupCommit(writer, at_once=1)
    with pytest.raises(TimeoutError, match="stopped"):
        await group.submit(1)
    async with asyncio.timeout(60):
        assert await group.submit(2) == "wrote 2"


async def test_a_writer_that_is_stopped_leaves_nobody_waiting_who_came_after_it(
    writer: Writer,
) -> None:
    writer.failures[1] = asyncio.CancelledError()
    group = GroupCommit(writer, at_once=1)
    waiting = submit(group, 1)
    await until_groups(writer, 1)
    waiting += submit(group, 2)
    await asyncio.sleep(0)
    writer.open.set()
    async with asyncio.timeout(60):
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError, TimeoutError]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_who_submits_again_just_as_all_writers_end_does_not_wait_for_ever(
    writer: Writer, at_once: int
) -> None:
    group = GroupCommit(writer, at_once=at_once)

    async def submit_twice() -> str:
        await group.submit(0)
        return await group.submit(10)

    waiting = [asyncio.create_task(submit_twice())]
    for item in range(1, at_once):
        await until_groups(writer, item)
        waiting += submit(group, item)
    await until_groups(writer, at_once)
    writer.open.set()
    async with asyncio.timeout(60):
        assert (await asyncio.gather(*waiting))[0] == "wrote 10"


async def test_a_writer_that_is_stopped_in_a_half_leaves_nobody_waiting(writer: Writer) -> None:
    async def write(items: list[int]) -> Sequence[str]:
        if len(items) > 1:
            raise ValueError("one of them")
        raise asyncio.CancelledError

    group: GroupCommit[int, str] = GroupCommit(write, at_once=1)
    async with asyncio.timeout(60):
        results = await asyncio.gather(*submit(group, 1, 2), return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError, TimeoutError]


async def test_a_writer_that_answers_for_too_few_fails_them(writer: Writer) -> None:
    async def forgetful(items: list[int]) -> Sequence[str]:
        return ["wrote 1"]

    group: GroupCommit[int, str] = GroupCommit(forgetful, at_once=1)
    async with asyncio.timeout(60):
        results = await asyncio.gather(*submit(group, 1, 2), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)
