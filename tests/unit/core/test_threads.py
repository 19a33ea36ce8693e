"""Threads for calls that block: bounded, and nobody else's."""

import asyncio
import threading

import pytest

from perdure.core.threads import Threads


async def test_who_finds_no_free_thread_in_time_has_called_nothing() -> None:
    threads, release, called = Threads("own", 1), threading.Event(), []
    first = asyncio.create_task(threads.run(lambda: release.wait(60)))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await threads.run(lambda: called.append(1), within_s=0.01)
    release.set()
    assert await first
    assert called == []
    assert await threads.run(lambda: threading.current_thread().name) == "own_0"
    await threads.close()


async def test_a_call_that_nobody_waits_for_any_more_keeps_its_thread_to_its_end() -> None:
    threads, release, begun = Threads("own", 1), threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        release.wait(60)

    given_up = asyncio.create_task(threads.run(block))
    await asyncio.to_thread(begun.wait, 60)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    with pytest.raises(TimeoutError):
        await threads.run(lambda: None, within_s=0.01)
    release.set()
    await threads.run(lambda: None)
    await threads.close()
