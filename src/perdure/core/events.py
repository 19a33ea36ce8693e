"""Waiting for events of the loop."""

import asyncio


async def first_of(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of these is set, or the time is over."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
