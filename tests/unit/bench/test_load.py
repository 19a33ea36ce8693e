import asyncio
import time

import pytest
from bench.load import drive
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

    load = await drive(place, sagas(25, first=5), concurrency=4, timeout_s=30)

    assert sorted(place.submitted) == list(range(5, 30))
    assert len(load.latencies_ms) == 25
    assert load.operations_per_s > 0


async def test_no_more_sagas_are_open_than_asked_for() -> None:
    place = Place()

    await drive(place, sagas(25), concurrency=4, timeout_s=30)

    assert place.most_open == 4


async def test_a_failed_submission_ends_the_load() -> None:
    class Broken(Place):
        async def submit(self, saga: Saga) -> str:
            raise ConnectionError("away")

    with pytest.raises(ExceptionGroup) as caught:
        await drive(Broken(), sagas(3), concurrency=2, timeout_s=30)

    assert caught.group_contains(ConnectionError, match="away")


async def test_a_watch_that_fails_ends_the_load_instead_of_waiting_it_out() -> None:
    class Blind(Place):
        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            raise ConnectionError("no database")

    with pytest.raises(ExceptionGroup) as caught:
        await drive(Blind(), sagas(3), concurrency=2, timeout_s=30)

    assert caught.group_contains(ConnectionError, match="no database")


async def test_sagas_that_never_end_are_given_up() -> None:
    class Endless(Place):
        async def finished(self, operation_ids: list[str]) -> dict[str, float]:
            return {}

    with pytest.raises(TimeoutError):
        await drive(Endless(), sagas(3), concurrency=2, timeout_s=0.05)
