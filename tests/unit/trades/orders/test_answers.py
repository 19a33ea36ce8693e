"""Those who wait for a writer are looked after together, and each gets what is its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from perdure.testing.polls import eventually
from perdure.trades.orders.answers import Answers


@dataclass
class Writer:
    """Answers what it is told to; counts the looks."""

    answered: dict[str, str] = field(default_factory=dict)
    looks: list[int] = field(default_factory=list)
    called: set[asyncio.Event] = field(default_factory=set)
    error: Exception | None = None

    async def find(self, asked: list[str]) -> dict[str, str]:
        self.looks.append(len(asked))
        if self.error:
            raise self.error
        return {one: self.answered[one] for one in asked if one in self.answered}

    @contextmanager
    def hear(self, _kind: str, _asset: int | str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self.called.add(event)
        yield event
        self.called.remove(event)

    def answer(self, *asked: str) -> None:
        self.answered |= {one: f"{one} done" for one in asked}
        for event in self.called:
            event.set()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_look_is_taken_for_all_who_wait() -> None:
    writer = Writer()
    answers = Answers(writer.find)
    names = [f"ord_{number}" for number in range(100)]
    waiting = [asyncio.create_task(answers.wait(one, "GEM", writer.hear, 60)) for one in names]
    await turns()
    writer.looks.clear()
    writer.answer(*names[:60])
    await turns()
    assert sum(task.done() for task in waiting) == 60
    writer.answer(*names[60:])
    assert await asyncio.gather(*waiting) == [f"{one} done" for one in names]
    # A few, as a machine that stands still has them look by themselves: none for each who waits.
    assert len(writer.looks) < 10
    assert writer.looks[-1] == 40
    await eventually(lambda: not writer.called)


async def test_what_is_answered_already_is_not_waited_for() -> None:
    writer = Writer()
    writer.answer("ord_1")
    assert await Answers(writer.find).wait("ord_1", "GEM", writer.hear, 60) == "ord_1 done"


async def test_who_is_not_answered_hears_nothing_after_a_while() -> None:
    writer = Writer()
    assert await Answers(writer.find).wait("ord_1", "GEM", writer.hear, 0.01) is None


async def test_what_goes_wrong_is_told_to_each_who_waits() -> None:
    writer = Writer()
    answers = Answers(writer.find)
    waiting = [
        asyncio.create_task(answers.wait(one, "GEM", writer.hear, 60)) for one in ("ord_1", "ord_2")
    ]
    await turns()
    writer.error = ConnectionError("It is away.")
    writer.answer()
    for task in waiting:
        with pytest.raises(ConnectionError):
            await task
    writer.error = None
    writer.answer("ord_3")
    assert await answers.wait("ord_3", "GEM", writer.hear, 60) == "ord_3 done"
