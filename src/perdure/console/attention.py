"""What needs somebody: how all operations stand, what went wrong lately, who does not answer."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp
from perdure.bootstrap import Platform
from perdure.capabilities import attribute, installed
from perdure.capability.verification import Run, last_runs
from perdure.console.errors import ConsoleRoute
from perdure.console.operations import LIST
from perdure.console.rendering import HOME, page
from perdure.console.viewers import Viewer, viewer_with
from perdure.limits import store as limits
from perdure.operations.model import Status
from perdure.operations.overview import FailureGroup, grouped_failures, standings

router = APIRouter(route_class=ConsoleRoute)

SPANS: Final = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
_LATELY: Final = "24h"
_GROUPS_SHOWN: Final = 10
_URGENT: Final = (Status.NEEDS_ATTENTION, Status.UNKNOWN, Status.REVERSING, Status.WAITING)
"""The statuses that somebody looks for first, in this order."""

Reader = Annotated[Viewer, Depends(viewer_with("operations:read"))]


@router.get("/attention")
async def show_attention(request: Request, platform: PlatformOfApp, viewer: Reader) -> Response:
    """Show what needs somebody now."""
    standing, failures, providers, findings, runs = await asyncio.gather(
        standings(platform.pool),
        _failures(platform, _LATELY),
        limits.statuses(platform.pool, platform.kinds.limited_providers),
        _findings(platform),
        last_runs(platform.pool),
    )
    order = {status: place for place, status in enumerate(_URGENT)}
    last: Run | None = runs[0]
    return page(
        request,
        "attention.html",
        viewer,
        standing=sorted(standing, key=lambda one: (order.get(one.status, len(order)), one.kind)),
        parked=sum(one.count for one in standing if one.status == Status.NEEDS_ATTENTION),
        open_count=sum(one.count for one in standing),
        failures=failures[:_GROUPS_SHOWN],
        failed=sum(group.count for group in failures if group.status == Status.FAILED),
        troubled=[one for one in providers if not one.standing.is_well],
        providers=providers,
        findings=[one for one in findings if one.health != "ok"],
        verified=last,
        lately=_LATELY,
        list_path=LIST,
        errors_path=f"{HOME}/errors",
        providers_path=f"{HOME}/providers",
    )


@router.get("/errors")
async def show_errors(request: Request, platform: PlatformOfApp, viewer: Reader) -> Response:
    """Show what went wrong lately, in groups."""
    lately = request.query_params.get("lately", _LATELY)
    lately = lately if lately in SPANS else _LATELY
    return page(
        request,
        "errors.html",
        viewer,
        failures=await _failures(platform, lately),
        spans=[*SPANS],
        lately=lately,
        list_path=LIST,
        errors_path=f"{HOME}/errors",
    )


async def _failures(platform: Platform, lately: str) -> list[FailureGroup]:
    fields = {one.name: one.amount_field for one in installed().values() if one.amount_field}
    return await grouped_failures(platform.pool, SPANS[lately], fields)


async def _findings(platform: Platform) -> list[Any]:
    """Return what the kinds have to say, as `perdure doctor` does."""
    found: list[Any] = []
    for kind in installed().values():
        if kind.doctor:
            found += await attribute(kind.doctor)(platform.pool)
    return found
