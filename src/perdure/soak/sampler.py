"""Measures a platform every few seconds, while it is under load."""

import asyncio
import time
from collections.abc import Callable

from perdure.bootstrap import Platform
from perdure.embedded.supervisor import Supervisor
from perdure.soak.load import OpenLoop
from perdure.soak.probes import read_database, read_processes, read_task_queues
from perdure.soak.series import Measure, Sample, SampleFile, Series
from perdure.worker.plans import ALL, queues_of


class Sampler:
    """Takes samples of a platform.

    Args:
        supervisor: Knows its processes.
        file: Gets each sample as it is taken.
        say: Told each minute how it goes.
    """

    def __init__(
        self,
        platform: Platform,
        supervisor: Supervisor,
        *,
        file: SampleFile,
        say: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._supervisor = supervisor
        self._file = file
        self._say = say
        self._queues = [platform.queues[queue] for queue in queues_of(ALL, platform.kinds)]
        self.samples: list[Sample] = []

    async def run(self, load: OpenLoop, *, seconds: float, every_s: float) -> None:
        """Take a sample every so many seconds, from now on."""
        began, minute = time.monotonic(), 0
        while (at_s := time.monotonic() - began) < seconds:
            sample = await self._sample(load, at_s)
            self.samples.append(sample)
            self._file.append(sample)
            if at_s // 60 > minute:
                minute = int(at_s // 60)
                self._say(_progress(minute, load, sample))
            due_s = len(self.samples) * every_s
            await asyncio.sleep(max(due_s - (time.monotonic() - began), 0))

    async def _sample(self, load: OpenLoop, at_s: float) -> Sample:
        pids = self._supervisor.pids
        processes, database, queues = await asyncio.gather(
            asyncio.to_thread(read_processes, pids),
            read_database(self._platform.pool),
            read_task_queues(self._platform.client, self._queues),
        )
        requests = {
            Series(Measure.AGE, "requests"): load.oldest_request_s,
            Series(Measure.LENGTH, "requests"): float(load.requests),
        }
        return Sample(at_s, pids, processes | database | requests | queues)


def _progress(minute: int, load: OpenLoop, sample: Sample) -> str:
    open_now = sample.values.get(Series(Measure.LENGTH, "operations"))
    age_s = sample.values.get(Series(Measure.AGE, "operations"))
    if open_now is None or age_s is None:
        return f"Minute {minute}: {load.sent} sent; the database is away."
    return f"Minute {minute}: {load.sent} sent; {open_now:.0f} open, the oldest for {age_s:.0f} s."
