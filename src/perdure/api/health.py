"""`/healthz`: the process lives; `/readyz`: what it needs is there."""

import asyncio
from datetime import timedelta
from typing import Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.api.authentication import PlatformOfApp
from perdure.bootstrap import Platform
from perdure.core.errors import ConfigurationError
from perdure.storage.pool import TAKES_NO_CHANGES, Pool
from perdure.storage.revisions import missing_revisions

log = structlog.get_logger()

router = APIRouter(tags=["health"])

_PATIENCE_S: Final = 2.0


DatabaseState = Literal["ok", "unreachable", "read_only", "not_migrated"]


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be taken, and if not, what is missing."""

    status: Literal["ready", "not_ready"]
    database: DatabaseState
    temporal: Literal["ok", "unreachable"]


@router.get("/healthz")
async def healthz() -> Health:
    """Answer."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response, platform: PlatformOfApp) -> Readiness:
    """Look at the database and at Temporal."""
    database, temporal = await asyncio.gather(
        _database(platform, request), _temporal(platform.client)
    )
    if (database, temporal) == ("ok", "ok"):
        return Readiness(status="ready", database="ok", temporal="ok")
    response.status_code = 503
    return Readiness(status="not_ready", database=database, temporal=temporal)


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
