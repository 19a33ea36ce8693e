"""`/v1/flags`: what decides, request by request, which engine takes an operation."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.flag_schemas import (
    FlagBody,
    FlagChangesQuery,
    FlagChangeView,
    FlagView,
)
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, Text, WholeList, page_of

router = APIRouter(prefix="/v1/flags", tags=["flags"])

Reader = Annotated[ApiKey, Depends(house_caller_with("flags:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("flags:write"))]


@router.get("", openapi_extra=refuses("house_only"))
async def list_flags(platform: PlatformOfApp, _caller: Reader) -> WholeList[FlagView]:
    """List all flags."""
    flags = await platform.flags.list_flags()
    return WholeList(data=[FlagView.of(flag) for flag in flags], url=router.prefix)


@router.get("/{flag_key}", openapi_extra=refuses("house_only", "flag_not_found"))
async def get_flag(flag_key: Text, platform: PlatformOfApp, _caller: Reader) -> FlagView:
    """Return a flag, as the database has it."""
    return FlagView.of(await platform.flags.get(flag_key))


@router.put(
    "/{flag_key}",
    openapi_extra=refuses(
        "house_only",
        "invalid_flag",
        "unknown_variant",
        "invalid_percent",
        "flag_not_found",
        "flag_changed",
        "reason_required",
    ),
)
async def put_flag(
    flag_key: Text, body: FlagBody, platform: PlatformOfApp, caller: Writer
) -> FlagView:
    """Set a flag, whole; every process goes by it within two seconds."""
    flag = await platform.flags.put(body.to_flag(flag_key), actor=caller.actor, reason=body.reason)
    return FlagView.of(flag)


@router.get("/{flag_key}/changes", openapi_extra=refuses("house_only", "flag_not_found"))
async def list_changes(
    flag_key: Text,
    platform: PlatformOfApp,
    _caller: Reader,
    query: Annotated[FlagChangesQuery, Query()],
) -> Page[FlagChangeView]:
    """List who changed a flag, when and why, newest first."""
    found = await platform.flags.history(
        flag_key, before_version=query.starting_after, limit=query.limit + 1
    )
    return page_of(found, query.limit, FlagChangeView.of, f"{router.prefix}/{flag_key}/changes")
