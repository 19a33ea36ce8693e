"""`/healthz`: the process lives; `/readyz`: what it needs is there."""

import asyncio
from datetime import timedelta
from typing import Final, Literal

import asyncpg
import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.api.authentication import PlatformOfApp
from perdure.bootstrap import Platform
from perdure.storage.migrate import missing_migrations

log = structlog.get_logger()

router = APIRouter(tags=["health"])

_PATIENCE_S: Final = 2.0


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be taken, and if not, what is missing."""

    status: Literal["ready", "not_ready"]
    database: Literal["ok", "unreachable", "not_migrated"]
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


async def _database(
    platform: Platform, request: Request
) -> Literal["ok", "unreachable", "not_migrated"]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await platform.pool.fetchval("SELECT 1")
        # A database does not lose its migrations, so one good look is enough.
        if not request.app.state.is_migrated:
            missing = await missing_migrations(platform.settings.require_database_url())
            request.app.state.is_migrated = not missing
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        log.warning("database_unreachable", error=repr(error))
        return "unreachable"
    return "ok" if request.app.state.is_migrated else "not_migrated"


async def _temporal(client: Client) -> Literal["ok", "unreachable"]:
    try:
        healthy = await client.service_client.check_health(timeout=timedelta(seconds=_PATIENCE_S))
    except (RPCError, RuntimeError) as error:
        log.warning("temporal_unreachable", error=repr(error))
        return "unreachable"
    return "ok" if healthy else "unreachable"
