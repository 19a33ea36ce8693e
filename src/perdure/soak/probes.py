"""Reads what there is to measure of a running platform; what is away is left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

import psutil
from temporalio.client import Client

from perdure.durable.backlogs import backlogs
from perdure.soak.series import Measure, Series
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

Values = dict[Series, float]

_MIB: Final = 2**20
_PATIENCE_S: Final = 2.0


def read_processes(pids: Mapping[str, int]) -> Values:
    """Measure processes, each with its children: PostgreSQL has one for each connection."""
    children: defaultdict[int, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            children[process.ppid()].append(process)
    values: Values = {}
    for name, pid in pids.items():
        with suppress(psutil.Error):
            values |= _read_family(name, [psutil.Process(pid), *_descendants(pid, children)])
    return values


def _descendants(pid: int, children: Mapping[int, list[psutil.Process]]) -> list[psutil.Process]:
    below = children.get(pid, [])
    return [*below, *(each for child in below for each in _descendants(child.pid, children))]


def _read_family(name: str, family: list[psutil.Process]) -> Values:
    values = dict.fromkeys(
        (Measure.MEMORY, Measure.RESIDENT, Measure.HANDLES, Measure.THREADS), 0.0
    )
    for number, process in enumerate(family):
        try:
            read = _read_process(process)
        except psutil.Error:
            if number == 0:
                raise
            continue  # a connection that was closed meanwhile
        for measure, value in read.items():
            values[measure] += value
    return {Series(measure, name): value for measure, value in values.items()}


def _read_process(process: psutil.Process) -> dict[Measure, float]:
    with process.oneshot():
        resident = process.memory_info().rss
        try:
            memory = process.memory_full_info().uss
        except psutil.AccessDenied:
            memory = resident
        return {
            Measure.MEMORY: memory / _MIB,
            Measure.RESIDENT: resident / _MIB,
            Measure.HANDLES: process.num_fds(),
            Measure.THREADS: process.num_threads(),
        }


async def read_database(pool: Pool) -> Values:
    """Measure the connections of everybody else, and what waits in our tables."""
    try:
        row = await pool.fetchrow(_DATABASE, timeout=_PATIENCE_S)
    except Exception as error:
        if not is_outage(error):
            raise
        return {}
    assert row is not None
    return {
        Series(Measure.CONNECTIONS, "database"): row["connections"],
        Series(Measure.AGE, "operations"): row["operation_age_s"],
        Series(Measure.AGE, "messages"): row["message_age_s"],
        Series(Measure.AGE, "callbacks"): row["callback_age_s"],
        Series(Measure.LENGTH, "operations"): row["operations"],
    }


async def read_task_queues(client: Client, queues: Iterable[str]) -> Values:
    """Measure what waits for a worker at Temporal, by its own account."""
    values: Values = {}
    for queue, found in (await backlogs(client, queues)).items():
        values[Series(Measure.AGE, f"tasks in {queue}")] = found.oldest_s or 0.0
        values[Series(Measure.LENGTH, f"tasks in {queue}")] = found.count
    return values


_DATABASE: Final = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND application_name <> current_setting('application_name')) AS connections,
       (SELECT count(*) FROM operations WHERE finished_at IS NULL) AS operations,
       coalesce(extract(epoch FROM now() - (SELECT min(created_at) FROM operations
            WHERE finished_at IS NULL)), 0)::float8 AS operation_age_s,
       coalesce(extract(epoch FROM now() - (SELECT min(created_at) FROM notifications
            WHERE state = 'pending')), 0)::float8 AS message_age_s,
       coalesce(extract(epoch FROM now() - (SELECT min(received_at) FROM provider_callbacks
            WHERE delivered_at IS NULL AND operation_id IS NOT NULL)), 0)::float8 AS callback_age_s
"""
