"""`perdure lanes`: the lanes in which something is left to do, and who has the interactive ones."""

from datetime import datetime, timedelta
from typing import Any

from perdure.cli.api_client import open_api
from perdure.cli.output import Output, OutputFormat, out, print_json, print_table
from perdure.core.clock import utc_now


def lanes(output: Output = OutputFormat.TEXT) -> None:
    """List the lanes in which something is left to do, and who has the interactive ones."""
    api = open_api()
    found, workers = api.get("/v1/lanes")["data"], api.get("/v1/lanes/interactive")["data"]
    if output == OutputFormat.JSON:
        print_json({"object": "list", "data": found, "has_more": False, "interactive": workers})
        return
    _print_workers(workers)
    if not found:
        out.print("Nothing is left to do in any lane for floods.")
        return
    now = utc_now()
    print_table(
        ("KIND", "#LANE", "#OPEN", "#OLDEST", "WORKFLOW", "#DONE", "#PROMOTED"),
        [
            (
                lane["kind"],
                lane["number"],
                lane["count"],
                _age(datetime.fromisoformat(lane["oldest_at"]), now),
                lane["workflow"],
                lane["done"],
                lane["promoted"],
            )
            for lane in found
        ],
    )


def _print_workers(workers: list[dict[str, Any]]) -> None:
    if not workers:
        out.print("No worker has the interactive lanes: see that one of the role operations runs.")
        return
    print_table(
        (
            "WORKER",
            "INTERACTIVE LANES",
            "#UNDER WAY",
            "#DONE/MIN",
            "#PROMOTED/MIN",
            "MOSTLY BECAUSE",
        ),
        [
            (
                worker["worker"],
                " ".join(str(lane) for lane in worker["lanes"]),
                worker["under_way"],
                worker["done_in_last_minute"],
                worker["promoted_in_last_minute"],
                next((why["reason"] for why in worker["promoted_because"]), ""),
            )
            for worker in workers
        ],
    )


def _age(since: datetime, now: datetime) -> timedelta:
    return timedelta(seconds=max(round((now - since).total_seconds()), 0))
