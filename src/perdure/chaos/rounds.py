"""Runs the rounds one after the other, and checks each as soon as it is over, and all at the end.

While a round settles, the next ones already storm: what one leaves half done meets their kills.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from perdure.bootstrap import Platform
from perdure.chaos import books
from perdure.chaos.audit import Audit, gave_up
from perdure.chaos.client import PersistentClient
from perdure.chaos.load import parts
from perdure.chaos.plan import plan_round
from perdure.chaos.seen import Finding, Storm
from perdure.chaos.storm import attend, open_storm, prepare, raise_storm
from perdure.cli.machine import Machine
from perdure.core.errors import ProviderUnavailable

_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What to run.

    Args:
        seed: The first round's; the others follow.
        operations: How many of each kind a round makes, by the kinds' plurals.
        kills: How many each round has.
        overlap: How many rounds may be unsettled at a time.
        settle_timeout_s: How long after the last kill, be it another round's, a round may take to
            come to its end.
    """

    seed: int
    rounds: int
    operations: Mapping[str, int]
    kills: int
    overlap: int
    settle_timeout_s: float


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What became of a round.

    Args:
        operations: How many of each kind were asked for.
        accepted: How many of them there are.
        refunds: How many of them were refunded.
        read_only_s: How long the database could not be written to.
        storm_s: How long its requests and kills took; `settle_s`: how long until all had ended.
        retries: How often a request had to be sent again.
    """

    seed: int
    operations: Mapping[str, int]
    accepted: int
    refunds: int
    outcomes: dict[str, int]
    kills: dict[str, int]
    read_only_s: float
    retries: int
    storm_s: float
    settle_s: float
    findings: list[Finding]


@dataclass(slots=True)
class Report:
    """What became of all rounds."""

    rounds: list[RoundReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """Of the rounds as they settled, and of all together at the end; none twice."""
    seconds: float = 0.0

    def add(self, found: list[Finding]) -> None:
        """Keep findings that are new."""
        self.findings += [finding for finding in found if finding not in self.findings]

    def summary(self) -> dict[str, Any]:
        """Return the sums over all rounds."""
        asked: Counter[str] = Counter()
        kills: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for done in self.rounds:
            asked.update(done.operations)
            kills.update(done.kills)
            ended.update(done.outcomes)
        return {
            "rounds": len(self.rounds),
            "operations": dict(asked),
            "accepted": sum(done.accepted for done in self.rounds),
            "refunds": sum(done.refunds for done in self.rounds),
            "outcomes": dict(sorted(ended.items())),
            "kills": dict(sorted(kills.items())),
            "kills_in_all": kills.total(),
            "read_only_s": round(sum(done.read_only_s for done in self.rounds), 1),
            "retries": sum(done.retries for done in self.rounds),
            "findings": len(self.findings),
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class _Stormed:
    """A round whose requests are answered, and whose kills are done.

    Args:
        people: Who looks after what comes of it.
        seconds: How long it took.
    """

    storm: Storm
    client: PersistentClient
    people: list[asyncio.Task[None]]
    seconds: float


class Rounds:
    """Runs rounds against a platform.

    Args:
        api: With the API's address and key.
        tell: Called with each round that settled.
    """

    def __init__(
        self,
        machine: Machine,
        platform: Platform,
        api: httpx.AsyncClient,
        options: Options,
        tell: Callable[[RoundReport], None],
    ) -> None:
        self._machine = machine
        self._platform = platform
        self._api = api
        self._options = options
        self._tell = tell
        self._audit = Audit(platform, machine)
        self._storms: list[Storm] = []
        self._report = Report()
        self._is_storming = False

    async def run(self) -> Report:
        """Run all rounds; they end early where something that was killed does not come back."""
        began = time.monotonic()
        free = asyncio.Semaphore(self._options.overlap)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._options.rounds):
                    await free.acquire()
                    settling = group.create_task(self._settle(await self._storm(number, group)))
                    settling.add_done_callback(lambda _: free.release())
            # Once more: something may have come after a round's end.
            self._report.add((await self._audit.of_all(self._storms))[1])
        except (ExceptionGroup, ProviderUnavailable) as error:
            self._report.add([gave_up(error)])
        self._report.seconds = time.monotonic() - began
        return self._report

    async def _storm(self, number: int, group: asyncio.TaskGroup) -> "_Stormed":
        options, began = self._options, time.monotonic()
        plan = plan_round(
            options.seed + number,
            options.operations,
            kills=options.kills,
            processes=self._machine.processes,
        )
        client = PersistentClient(self._api)
        storm = await open_storm(plan, client)
        await prepare(storm, self._machine, self._platform, client)
        people = [
            group.create_task(load.attend(part, client))
            for load, part in parts(storm, self._machine, self._platform)
            if load.attend
        ]
        self._is_storming = True
        await raise_storm(storm, self._machine, client)
        self._is_storming = False
        self._storms.append(storm)
        return _Stormed(storm, client, people, time.monotonic() - began)

    async def _settle(self, stormed: "_Stormed") -> None:
        storm, client = stormed.storm, stormed.client
        plan, began = storm.plan, time.monotonic()
        async with asyncio.TaskGroup() as desk:
            for planned in plan.operations:
                desk.create_task(attend(planned, storm, client))
        await asyncio.gather(*stormed.people)
        quiet_since = began
        while await books.count_unsettled(self._platform, [plan.customer_id]):
            # The next rounds' kills are met by this one too.
            if self._is_storming:
                quiet_since = time.monotonic()
            if time.monotonic() - quiet_since > self._options.settle_timeout_s:
                break  # what has not ended is found below
            await asyncio.sleep(_POLL_S)
        settle_s = time.monotonic() - began
        own, came = await self._audit.of_one(storm)
        self._report.add(came.findings)
        done = RoundReport(
            seed=plan.seed,
            operations=self._options.operations,
            accepted=came.accepted,
            refunds=sum(len(operation.refunds) for operation in own.operations),
            outcomes=dict(sorted(came.counts.items())),
            kills=dict(sorted(storm.kills.items())),
            read_only_s=storm.read_only_s,
            retries=client.retries,
            storm_s=round(stormed.seconds, 1),
            settle_s=round(settle_s, 1),
            findings=came.findings,
        )
        self._report.rounds.append(done)
        self._tell(done)
