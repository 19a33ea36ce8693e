"""Both event loops: tests run on asyncio's, and processes on uvloop's."""

import asyncio
import sys
from collections.abc import Callable, Iterator

import pytest

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
if sys.platform != "win32":
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


@pytest.fixture(params=LOOPS, ids=lambda loop: loop.__module__.partition(".")[0])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as opened:
        yield opened
