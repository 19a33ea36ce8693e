"""`/healthz`: the process lives; `/readyz`: what it needs is there."""

import asyncio
from datetime import timedelta
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.api.authentication import PlatformOfApp
from perdure.bootstrap import Platform
from perdure.core.errors import ConfigurationError
from perdure.limits import store as limits
from perdure.operations.model import Status
from perdure.operations.standing import standstills
from perdure.storage.pool import TAKES_NO_CHANGES, Pool
from perdure.storage.revisions import missing_revisions

log = structlog.get_logger()

router = APIRouter(tags=["health"])

_PATIENCE_S: Final = 2.0


DatabaseState = Literal["ok", "unreachable", "read_only", "not_migrated"]


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = Field(default="ok", description="It answers.")


class Readiness(BaseModel):
    """Whether requests can be taken, and if not, what is missing."""

    status: Literal["ready", "not_ready"] = Field(description="Whether requests can be taken.")
    database: DatabaseState = Field(description="How the database is.")
    temporal: Literal["ok", "unreachable"] = Field(description="How Temporal is.")
    providers: dict[str, str] = Field(
        default_factory=dict,
        description="Those that leave calls unanswered, or asked to wait; the API takes requests"
        " meanwhile, and what needs one of them waits for it.",
    )
    oldest_unknown_s: float | None = Field(
        default=None,
        description="For how long some outcome has been unknown; null: none is.",
    )
    oldest_waiting_s: float | None = Field(
        default=None, description="For how long an operation has waited; null: none does."
    )


@router.get("/healthz")
async def live() -> Health:
    """Answer."""
    return Health()


@router.get(
    "/readyz", responses={503: {"model": Readiness, "description": "Something of it is missing."}}
)
async def ready(request: Request, response: Response, platform: PlatformOfApp) -> Readiness:
    """Look at the database and at Temporal; and tell which provider is away, and what waits."""
    database, temporal = await asyncio.gather(
        _database(platform, request), _temporal(platform.client)
    )
    outside = await _outside(platform.pool) if database == "ok" else {}
    if (database, temporal) == ("ok", "ok"):
        return Readiness(status="ready", database="ok", temporal="ok", **outside)
    response.status_code = 503
    return Readiness(status="not_ready", database=database, temporal=temporal, **outside)


async def _outside(pool: Pool) -> dict[str, Any]:
    """Return how providers stand, and what waits for them; nothing where that takes too long."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            statuses, waits = await limits.statuses(pool), await standstills(pool)
    except Exception as error:  # noqa: BLE001 - whether requests can be taken is known without it
        log.warning("providers_not_looked_at", error=repr(error))
        return {}
    return {
        "providers": {
            status.limit.provider: str(status.standing)
            for status in statuses
            if not status.standing.is_well
        },
        "oldest_unknown_s": waits[Status.UNKNOWN].oldest_s,
        "oldest_waiting_s": waits[Status.WAITING].oldest_s,
    }


async def _database(platform: Platform, request: Request) -> DatabaseState:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            is_read_only = await platform.pool.fetchval(TAKES_NO_CHANGES)
            # A database does not lose its migrations, so one good look is enough.
            if not request.app.state.is_migrated:
                request.app.state.is_migrated = await _is_migrated(platform.pool)
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody is to be sent here
        log.warning("database_unreachable", error=repr(error))
        return "unreachable"
    if is_read_only:
        return "read_only"
    return "ok" if request.app.state.is_migrated else "not_migrated"


async def _is_migrated(pool: Pool) -> bool:
    try:
        return not await missing_revisions(pool)
    except ConfigurationError:
        # A newer release has come since this process began, which looked at that.
        return True


async def _temporal(client: Client) -> Literal["ok", "unreachable"]:
    try:
        healthy = await client.service_client.check_health(timeout=timedelta(seconds=_PATIENCE_S))
    except (RPCError, RuntimeError) as error:
        log.warning("temporal_unreachable", error=repr(error))
        return "unreachable"
    return "ok" if healthy else "unreachable"
