"""`perdure lanes`: the lanes in which something is left to do."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from perdure.bootstrap import Platform
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json_list,
    print_table,
)
from perdure.cli.session import open_session, run
from perdure.core.clock import utc_now
from perdure.core.errors import ProviderUnavailable
from perdure.durable.lanes.reporting import LaneReporting
from perdure.operations.lanes.store import LaneBacklog, backlogs


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane, as it is shown.

    Args:
        workflow: `running`, `not running` (the janitor starts it) or `not answering`.
        done: Operations that ended in it since its workflow began; None: nobody tells.
        promoted: Operations that left it for a workflow of their own, likewise.
    """

    backlog: LaneBacklog
    workflow: str
    done: int | None = None
    promoted: int | None = None


def lanes(output: Output = OutputFormat.TEXT) -> None:
    """List the lanes in which something is left to do, and what each did so far."""
    found = run(_lanes())
    if output == OutputFormat.JSON:
        print_json_list([_as_json(lane) for lane in found])
        return
    if not found:
        out.print("Nothing is left to do in any lane.")
        return
    now = utc_now()
    print_table(
        ("KIND", "#LANE", "#OPEN", "#OLDEST", "WORKFLOW", "#DONE", "#PROMOTED"),
        [
            (
                lane.backlog.kind,
                lane.backlog.number,
                lane.backlog.count,
                _age(lane.backlog.oldest_at, now),
                lane.workflow,
                lane.done,
                lane.promoted,
            )
            for lane in found
        ],
    )


async def _lanes() -> list[LaneStatus]:
    async with open_session() as platform:
        return await lane_statuses(platform)


async def lane_statuses(platform: Platform) -> list[LaneStatus]:
    """Return the lanes in which something is left to do."""
    reporting = LaneReporting(platform.client, platform.queues)
    found = await backlogs(platform.pool)
    return await asyncio.gather(*(_status(reporting, backlog) for backlog in found))


async def _status(reporting: LaneReporting, backlog: LaneBacklog) -> LaneStatus:
    try:
        lane = await reporting.progress(backlog.kind, backlog.number)
    except ProviderUnavailable:
        return LaneStatus(backlog, "not answering")
    if lane is None:
        return LaneStatus(backlog, "not running")
    return LaneStatus(backlog, "running", lane.done, lane.promoted)


def _age(since: datetime, now: datetime) -> timedelta:
    return timedelta(seconds=max(round((now - since).total_seconds()), 0))


def _as_json(lane: LaneStatus) -> dict[str, Any]:
    return {
        **asdict(lane.backlog),
        "workflow": lane.workflow,
        "done": lane.done,
        "promoted": lane.promoted,
    }
