"""`/v1/limits`: how often each provider is called, by the whole fleet."""

from typing import Annotated

from fastapi import APIRouter, Depends

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.limit_schemas import (
    LimitBody,
    LimitChangeView,
    LimitView,
)
from perdure.api.openapi import refuses
from perdure.api.schemas import ReasonBody, Text, WholeList
from perdure.limits import store
from perdure.limits.model import Limit
from perdure.limits.rules import check_provider

router = APIRouter(prefix="/v1/limits", tags=["limits"])

Reader = Annotated[ApiKey, Depends(house_caller_with("limits:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("limits:write"))]


@router.get("", openapi_extra=refuses("house_only"))
async def list_limits(platform: PlatformOfApp, _caller: Reader) -> WholeList[LimitView]:
    """List every provider: its limit, whether it is called now, and how it answers."""
    found = await store.statuses(platform.pool, platform.kinds.limited_providers)
    return WholeList(data=[LimitView.of(status) for status in found], url=router.prefix)


@router.get("/changes", openapi_extra=refuses("house_only"))
async def list_all_changes(platform: PlatformOfApp, _caller: Reader) -> WholeList[LimitChangeView]:
    """List who changed which limit, when and why: the latest hundred, newest first."""
    found = await store.changes(platform.pool)
    return WholeList(
        data=[LimitChangeView.of(change) for change in found], url=f"{router.prefix}/changes"
    )


@router.put(
    "/{provider}",
    openapi_extra=refuses(
        "house_only",
        "provider_not_found",
        "limit_missing",
        "invalid_rate",
        "invalid_concurrency",
        "reason_required",
    ),
)
async def put_limit(
    provider: Text, body: LimitBody, platform: PlatformOfApp, caller: Writer
) -> LimitChangeView:
    """Set a provider's limit; every process keeps it within two seconds."""
    check_provider(provider, platform.kinds.limited_providers)
    limit = Limit(provider, body.per_second, body.at_once)
    change = await store.set_limit(platform.pool, limit, actor=caller.actor, reason=body.reason)
    return LimitChangeView.of(change)


@router.post(
    "/{provider}/remove", openapi_extra=refuses("house_only", "limit_not_found", "reason_required")
)
async def remove_limit(
    provider: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> LimitChangeView:
    """Have a provider be called without a limit."""
    change = await store.remove_limit(
        platform.pool, provider, actor=caller.actor, reason=body.reason
    )
    return LimitChangeView.of(change)


@router.get("/{provider}/changes", openapi_extra=refuses("house_only"))
async def list_changes(
    provider: Text, platform: PlatformOfApp, _caller: Reader
) -> WholeList[LimitChangeView]:
    """List who changed a provider's limit, when and why: the latest hundred, newest first."""
    found = await store.changes(platform.pool, provider)
    return WholeList(
        data=[LimitChangeView.of(change) for change in found],
        url=f"{router.prefix}/{provider}/changes",
    )
