"""Follows an operation's trail as it grows, by the API's event stream."""

from datetime import datetime
from typing import Any

from perdure.cli.api_client import ApiClient, part
from perdure.cli.chain import chain_of_entry
from perdure.cli.output import OutputFormat, moment, out, print_json
from perdure.operations.model import Status


def follow(api: ApiClient, operation_id: str, output: OutputFormat) -> None:
    """Print an operation's changes until its end, or until it needs attention."""
    path = f"/v1/operations/{part(operation_id)}"
    for event in api.events(f"{path}/events"):
        _print(event, output)
        if event["status"] == Status.NEEDS_ATTENTION and _is_last(api, path, event):
            return


def _is_last(api: ApiClient, path: str, event: dict[str, Any]) -> bool:
    """Whether nothing was done to it since."""
    later = api.get(f"{path}/timeline", starting_after=event["id"])
    return not later["has_more"] and all(
        entry["object"] != event["object"] for entry in later["data"]
    )


def _print(event: dict[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(event)
        return
    at = moment(datetime.fromisoformat(event["at"]), timespec="milliseconds")
    more = "".join(f"  {one}" for one in (event["reason"], chain_of_entry(event)) if one)
    out.print(f"{at}  {event['status']:<16} {event['action']} by {event['actor']}{more}")
