"""What a test says of a provider: whether others get through, how long it is waited for."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import pytest

from perdure.bootstrap import Platform
from perdure.limits import store
from perdure.limits.model import Ask, Heard
from perdure.operations import waiting
from perdure.storage.pool import Pool

ANSWERED = Heard(answered=1, answered_ago_s=0.0)


@asynccontextmanager
async def others_get_through(pool: Pool, provider: str, *steps: str) -> AsyncIterator[None]:
    """Have another process say that its calls are answered, while the context is open."""

    async def tell() -> None:
        asked = Ask(0, 0, answered=True, heard=dict.fromkeys(steps, ANSWERED))
        while True:
            await store.ask(pool, provider, "others", asked)
            await asyncio.sleep(0.2)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


@contextmanager
def impatient(platform: Platform, *steps: str, seconds: float = 0.5) -> Iterator[None]:
    """Have these steps wait no longer for their provider, while the context is open.

    A provider that asks for a moment has one to serve others in, and no more.
    """
    patience = platform.waits.patience
    before = {step: patience[step] for step in steps}
    patience.update({step: replace(known, seconds=seconds) for step, known in before.items()})
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waiting, "LOOK_AGAIN_S", 1.0)
            yield
    finally:
        patience.update(before)
