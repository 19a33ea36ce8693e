import asyncio
import time

import pytest
from bench.load import BulkWorkplace, arrive, drive, offer
from bench.saga import Saga, sagas


class Place:
    """Ends each saga at the watch's first look; counts how many were open at once."""

    def __init__(self) -> None:
        self.submitted: list[int] = []
        self.open: set[str] = set()
        self.most_open = 0

    async def submit(self, saga: Saga) -> str:
        self.submitted.append(saga.number)
        self.open.add(str(saga.number))
        self.most_open = max(self.most_open, len(self.open))
        await asyncio.sleep(0)
        return str(saga.number)

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        self.open -= set(operation_ids)
        return dict.fromkeys(operation_ids, time.time())


async def test_every_saga_is_submitted_once_and_counted_once() -> None:
    place = Place()

    load = await drive(place, sagas(25, first=5), concurrency=4)

    assert sorted(place.submitted) == list(range(5, 30))
    assert len(load.latencies_ms) == 25
    assert load.operations_per_s > 0


async def test_no_more_sagas_are_open_than_asked_for() -> None:
    place = Place()

    await drive(place, sagas(25), concurrency=4)

    assert place.most_open == 4


async def test_a_failed_submission_ends_the_load() -> None:
    class Broken(Place):
        async def submit(self, saga: Saga) -> str:
            raise ConnectionError("away")

    with pytest.raises(ExceptionGroup) as caught:
        await drive(Broken(), sagas(3), concurrency=2)

    assert caught.group_contains(ConnectionError, match="away")


async def test_a_watch_that_fails_ends_the_load_instead_of_waiting_it_out() -> None:
    class Blind(Place):
        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            raise ConnectionError("no database")

    with pytest.raises(ExceptionGroup) as caught:
        await drive(Blind(), sagas(3), concurrency=2)

    assert caught.group_contains(ConnectionError, match="no database")


async def test_sagas_that_never_end_are_given_up() -> None:
    class Endless(Place):
        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            return {}

    with pytest.raises(ExceptionGroup) as caught:
        await drive(Endless(), sagas(3), concurrency=2, stall_s=0.05)

    assert caught.group_contains(TimeoutError, match="3 are open|2 are open")


async def test_sagas_come_one_by_one_whether_those_before_have_ended_or_not() -> None:
    class Slow(Place):
        """Ends nothing before everything was submitted."""

        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            return await super().finished(operation_ids) if len(self.submitted) == 5 else {}

    place = Slow()

    load = await arrive(place, sagas(5), rate_per_s=50)

    assert place.submitted == list(range(5))
    assert place.most_open == 5
    assert max(load.latencies_ms) >= 80


class Flooded(Place):
    """Takes files; every operation is open for one look more."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.seen: set[str] = set()

    async def submit_many(self, sagas: list[Saga]) -> list[str]:
        self.batches.append(len(sagas))
        return [await self.submit(saga) for saga in sagas]

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        ended, self.seen = self.seen & set(operation_ids), set(operation_ids)
        return await super().finished(list(ended))


async def test_a_flood_is_handed_over_in_batches_and_no_more_are_open_than_asked_for() -> None:
    place = Flooded()
    assert isinstance(place, BulkWorkplace)

    load = await drive(place, sagas(50, first=5), concurrency=20)

    assert place.submitted == list(range(5, 55))
    assert set(place.batches) == {5}
    assert place.most_open == 20
    assert len(load.latencies_ms) == 50


async def test_a_flood_of_one_at_a_time_is_one_at_a_time() -> None:
    place = Flooded()

    await drive(place, sagas(3), concurrency=1)

    assert place.most_open == 1


async def test_work_at_a_rate_is_offered_whether_it_is_done_or_not() -> None:
    class Slow(Flooded):
        """Ends nothing before everything was offered."""

        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            return await super().finished(operation_ids) if len(self.submitted) == 60 else {}

    place = Slow()

    load = await offer(place, sagas(60), rate_per_s=40)

    assert place.submitted == list(range(60))
    assert load.offered_s == 1.5
    assert load.queue[0] >= 40
    assert load.operations_per_s == 0
    assert len(load.latencies_ms) == 60
    assert max(load.latencies_ms) > 1000


async def test_what_keeps_up_reaches_the_rate() -> None:
    load = await offer(Flooded(), sagas(60), rate_per_s=40)

    assert load.operations_per_s > 0
    assert len(load.ends_s) == 60
    assert max(load.queue) < 60
