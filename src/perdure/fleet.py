"""How the whole fleet stands, for Prometheus: read from the database, and told by one process.

That is the operations worker that has the first of the interactive lanes. When another one takes
that lane over, this one's values are no numbers from then on (NaN): no query takes them for true.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog
from temporalio.client import Client

from perdure.capability.verification import last_runs
from perdure.core.metrics import Counter, Gauge, Histogram
from perdure.durable.backlogs import backlogs
from perdure.durable.payloads.ages import wraps_since
from perdure.limits import store as limits
from perdure.limits.model import BudgetState
from perdure.notifications import store as notifications
from perdure.operations.breakdowns import is_breakdown
from perdure.operations.lanes import store as lanes
from perdure.operations.model import FINISHED, Failure, Status
from perdure.operations.standing import Standstill, callbacks_left, flow, open_ones
from perdure.storage.pool import Pool

log = structlog.get_logger()

LOOK_S: Final = 5.0
"""How often it is looked at."""
_SHARE_MAX: Final = 0.05
"""How much of the time it takes: where many are open, it is looked at less often."""

LOOKED: Final = Gauge(
    "perdure_fleet_last_look_timestamp_seconds", "When the fleet was looked at last."
)
OPEN: Final = Gauge("perdure_operations_open", "Operations that have not ended.", "kind", "status")
OLDEST: Final = Gauge(
    "perdure_operations_oldest_seconds",
    "For how long that one stands so which has done so for longest.",
    *("kind", "status"),
)
ACCEPTED: Final = Counter("perdure_operations_accepted", "Operations that were accepted.", "kind")
ENDED: Final = Counter("perdure_operations_ended", "Operations that ended.", "kind", "status")
BROKEN: Final = Counter(
    "perdure_operations_broken_down",
    "Operations that failed by a defect, or because somebody was away: no no of the business.",
    "kind",
)
FAILURES: Final = Counter(
    "perdure_operation_failures", "Operations that failed, by why.", "kind", "code"
)
DURATION: Final = Histogram(
    "perdure_operation_duration_seconds",
    "How long operations took from their acceptance to their end.",
    *("kind", "status"),
)
IN_LANES: Final = Gauge(
    "perdure_lane_operations", "Operations in lanes that have not ended.", "kind", "gear"
)
LANES_OLDEST: Final = Gauge(
    "perdure_lane_oldest_seconds", "How long ago the first of them was accepted.", "kind", "gear"
)
STATE: Final = Gauge(
    "perdure_provider_state",
    "1: a provider is in this state: open, paused (asked to be left alone), broken (gives nobody an"
    " answer), probed (one call sees whether it is back).",
    *("provider", "state"),
)
FAILING: Final = Gauge(
    "perdure_provider_failing_ratio", "How much of a provider's latest calls failed.", "provider"
)
WANTED: Final = Gauge(
    "perdure_provider_calls_wanted", "Calls that are made, or wait for the limit.", "provider"
)
UNDER_WAY: Final = Gauge(
    "perdure_provider_permits_used", "Places at a provider that processes hold.", "provider"
)
AT_ONCE_MAX: Final = Gauge(
    "perdure_provider_permits_limit", "How many places its limit has; none: no limit.", "provider"
)
PER_SECOND_MAX: Final = Gauge(
    "perdure_provider_calls_per_second_limit", "How many calls may begin a second.", "provider"
)
CALLBACKS: Final = Gauge(
    "perdure_callbacks_left", "Callbacks about operations that are not seen to yet.", "provider"
)
CALLBACKS_OLDEST: Final = Gauge(
    "perdure_callbacks_oldest_seconds", "How long ago the first of them came.", "provider"
)
MESSAGES: Final = Gauge("perdure_messages_owed", "Messages that are owed.")
MESSAGES_OLDEST: Final = Gauge(
    "perdure_messages_oldest_seconds", "For how long the first of them has been."
)
BACKLOG: Final = Gauge(
    "perdure_task_queue_backlog",
    "Tasks that wait at Temporal for a worker, by its estimate.",
    "queue",
)
BACKLOG_AGE: Final = Gauge(
    "perdure_task_queue_backlog_age_seconds", "For how long the first of them does.", "queue"
)
VIOLATIONS: Final = Gauge(
    "perdure_verify_violations", "What the latest `perdure verify` found to break an invariant."
)
VERIFIED: Final = Gauge(
    "perdure_verify_ended_timestamp_seconds",
    "When the latest run ended; whole: the latest that looked at everything.",
    "scope",
)
KEY_SINCE: Final = Gauge(
    "perdure_payload_key_since_timestamp_seconds", "Since when the payload key in use wraps."
)
_GAUGES: Final = tuple(one for one in tuple(globals().values()) if isinstance(one, Gauge))


class Fleet:
    """Tells how the fleet stands, while that is this process's to do.

    Args:
        queues: Those of Temporal's, by what they are for.
        kinds: Those that are told of from 0 on, so that the first of each is seen to be one more.
        providers: Those that are told of also where nothing is known of them yet.
        payload_key: The id of the master key that wraps; None: nothing is encrypted.
        leads: Whether it is this process's.
    """

    def __init__(
        self,
        pool: Pool,
        client: Client,
        *,
        queues: Mapping[str, str],
        kinds: Sequence[str],
        providers: Sequence[str],
        payload_key: str | None,
        leads: Callable[[], bool],
    ) -> None:
        self._pool = pool
        self._client = client
        self._queues = queues
        self._kinds = kinds
        self._providers = providers
        self._payload_key = payload_key
        self._key_since: float | None = None
        self._leads = leads

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until told to stop."""
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                await (self.look() if self._leads() else self.forget())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look tries again
                await self.forget()
                log.warning("fleet_not_looked_at", error=repr(error))
            took_s = time.monotonic() - began_s
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(LOOK_S, took_s / _SHARE_MAX))
        await self.forget()

    async def forget(self) -> None:
        """Tell nothing: another process does, or nobody knows."""
        for gauge in _GAUGES:
            gauge.forget()

    async def look(self) -> None:
        """Look once."""
        await self._flow()
        await self._operations()
        await self._providers_stand()
        callbacks = await callbacks_left(self._pool)
        _tell(CALLBACKS, CALLBACKS_OLDEST, {(name,): one for name, one in callbacks.items()})
        _tell(MESSAGES, MESSAGES_OLDEST, {(): await notifications.owed(self._pool)})
        waiting = await backlogs(self._client, self._queues.values())
        told = {(name,): waiting.get(queue) for name, queue in self._queues.items()}
        _tell(BACKLOG, BACKLOG_AGE, {name: one for name, one in told.items() if one is not None})
        await self._verified()
        if self._payload_key is not None:
            if self._key_since is None:
                since = await wraps_since(self._pool, self._payload_key)
                self._key_since = since.timestamp()
            KEY_SINCE.set(self._key_since)
        LOOKED.set(time.time())

    async def _flow(self) -> None:
        for kind in self._kinds:
            ACCEPTED.add(0, kind=kind)
            BROKEN.add(0, kind=kind)
            for status in FINISHED:
                ENDED.add(0, kind=kind, status=status.value)
        async with flow(self._pool) as happened:
            pass
        for kind, count in happened.accepted.items():
            ACCEPTED.add(count, kind=kind)
        for one in happened.ended:
            ENDED.add(kind=one.kind, status=one.status.value)
            DURATION.observe(one.took_s, kind=one.kind, status=one.status.value)
            if one.status == Status.FAILED:
                FAILURES.add(kind=one.kind, code=one.code or "none")
            if one.code and is_breakdown(one.status, Failure(one.code, "")):
                BROKEN.add(kind=one.kind)

    async def _operations(self) -> None:
        found: dict[tuple[str, ...], Standstill] = {
            (kind, status.value): Standstill()
            for kind in self._kinds
            for status in Status
            if status not in FINISHED
        }
        for (kind, status), one in (await open_ones(self._pool)).items():
            found[kind, status.value] = one
        _tell(OPEN, OLDEST, found)
        in_lanes: dict[tuple[str, ...], Standstill] = {
            (kind, gear): Standstill() for kind in self._kinds for gear in ("interactive", "flood")
        }
        for kind, one in (await lanes.interactive_backlogs(self._pool)).items():
            in_lanes[kind, "interactive"] = one
        now = time.time()
        for lane in await lanes.backlogs(self._pool):
            flood = (lane.kind, "flood")
            one = Standstill(lane.count, now - lane.oldest_at.timestamp())
            in_lanes[flood] = in_lanes.get(flood, Standstill()).with_(one)
        _tell(IN_LANES, LANES_OLDEST, in_lanes)

    async def _providers_stand(self) -> None:
        statuses = await limits.statuses(self._pool, self._providers)
        by_name = {(status.limit.provider,): status for status in statuses}
        STATE.set_all(
            {
                (*name, state.value): float(one.state == state)
                for name, one in by_name.items()
                for state in BudgetState
            }
        )
        FAILING.set_all({n: one.standing.failing_share or 0.0 for n, one in by_name.items()})
        WANTED.set_all({name: one.wanted for name, one in by_name.items()})
        UNDER_WAY.set_all({name: one.under_way for name, one in by_name.items()})
        for gauge, figure in ((AT_ONCE_MAX, "at_once"), (PER_SECOND_MAX, "per_second")):
            limited = {n: getattr(one.limit, figure) for n, one in by_name.items()}
            gauge.set_all(
                {name: most for name, most in limited.items() if most is not None}, float("nan")
            )

    async def _verified(self) -> None:
        last, last_whole = await last_runs(self._pool)
        if last is not None:
            VIOLATIONS.set(last.violations)
            VERIFIED.set(last.ended_at.timestamp(), scope="any")
        if last_whole is not None:
            VERIFIED.set(last_whole.ended_at.timestamp(), scope="whole")


def _tell(count: Gauge, oldest: Gauge, found: Mapping[tuple[str, ...], Standstill]) -> None:
    count.set_all({labels: one.count for labels, one in found.items()})
    oldest.set_all({labels: one.oldest_s or 0.0 for labels, one in found.items()})
