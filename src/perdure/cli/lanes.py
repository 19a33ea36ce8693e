"""`perdure lanes`: the lanes in which something is left to do."""

from datetime import datetime, timedelta

from perdure.cli.api_client import open_api
from perdure.cli.output import Output, OutputFormat, out, print_json_list, print_table
from perdure.core.clock import utc_now


def lanes(output: Output = OutputFormat.TEXT) -> None:
    """List the lanes in which something is left to do, and what each did so far."""
    found = open_api().get("/v1/lanes")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    if not found:
        out.print("Nothing is left to do in any lane.")
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


def _age(since: datetime, now: datetime) -> timedelta:
    return timedelta(seconds=max(round((now - since).total_seconds()), 0))
