"""How many tasks a worker takes from a provider's queue.

While a provider's limit leaves no room, tasks stay in the queue at Temporal: no slot and no
time-out is spent on waiting, and another process may take them.
"""

import asyncio

from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from perdure.limits.permits import Permits


class ProviderSlots(CustomSlotSupplier):
    """Lets a worker take a task when the provider's limit lets it be carried out soon.

    Args:
        at_once_max: The most tasks that a worker holds, whatever the limit says.
    """

    def __init__(self, permits: Permits, provider: str, *, at_once_max: int) -> None:
        self._permits = permits
        self._provider = provider
        self._places = asyncio.Semaphore(at_once_max)

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:  # noqa: ARG002
        """Wait for a place, and for room at the provider."""
        await self._places.acquire()
        try:
            await self._permits.room(self._provider)
        except BaseException:
            self._places.release()
            raise
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:  # noqa: ARG002
        """Take no eager tasks: they would pass by what waits in the queue."""
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing: a place is held from when the worker asks for a task."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:  # noqa: ARG002
        """Give the place back."""
        self._places.release()


def provider_tuner(permits: Permits, provider: str, *, at_once_max: int) -> WorkerTuner:
    """Return the slots of a worker of one provider's queue, which runs nothing but activities."""
    none = FixedSizeSlotSupplier(1)
    return WorkerTuner.create_composite(
        workflow_supplier=none,
        activity_supplier=ProviderSlots(permits, provider, at_once_max=at_once_max),
        local_activity_supplier=none,
        nexus_supplier=none,
    )
