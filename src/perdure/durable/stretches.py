"""What activities have in common that work through something stretch by stretch."""

import asyncio

from temporalio import activity


async def end_with_worker(over: asyncio.Event) -> None:
    """Have a stretch end with its worker; another worker takes the next one."""
    await activity.wait_for_worker_shutdown()
    over.set()
