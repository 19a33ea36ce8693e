"""Providers: whether each is called, how it answers, and how often it may be called."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from perdure.api.authentication import PlatformOfApp
from perdure.api.errors import Problem, problem_of
from perdure.api.schemas import Text
from perdure.bootstrap import Platform
from perdure.console.errors import ConsoleRoute
from perdure.console.rendering import HOME, page
from perdure.console.viewers import Viewer, form_with, viewer_with
from perdure.core.errors import InvalidInput, PerdureError
from perdure.limits import store
from perdure.limits.model import Limit
from perdure.limits.rules import check_provider

router = APIRouter(route_class=ConsoleRoute)

LIST: Final = f"{HOME}/providers"
WRITE: Final = "limits:write"

Reader = Annotated[Viewer, Depends(viewer_with("limits:read"))]
Writer = Annotated[Viewer, Depends(viewer_with(WRITE))]
Form = Annotated[Mapping[str, str], Depends(form_with(WRITE))]


@router.get("/providers")
async def list_providers(request: Request, platform: PlatformOfApp, viewer: Reader) -> Response:
    """Show every provider, and who changed which limit."""
    return page(
        request,
        "providers.html",
        viewer,
        providers=await store.statuses(platform.pool, platform.kinds.limited_providers),
        changes=await store.changes(platform.pool),
        done=request.query_params.get("done"),
        list_path=LIST,
        may_write=viewer.may(WRITE),
    )


@router.get("/providers/{provider}")
async def ask_limit(
    request: Request, provider: Text, platform: PlatformOfApp, viewer: Writer
) -> Response:
    """Ask how often a provider may be called."""
    return await _form(request, platform, viewer, provider=provider, typed=request.query_params)


@router.post("/providers/{provider}")
async def set_limit(
    request: Request, provider: Text, *, platform: PlatformOfApp, viewer: Writer, typed: Form
) -> Response:
    """Set a provider's limit, or take it away where both are left empty."""
    actor, reason = viewer.key.actor, typed.get("reason", "")
    try:
        check_provider(provider, platform.kinds.limited_providers)
        limit = Limit(provider, _number(typed, "per_second"), _whole(typed, "at_once"))
        if limit.is_none:
            await store.remove_limit(platform.pool, provider, actor=actor, reason=reason)
        else:
            await store.set_limit(platform.pool, limit, actor=actor, reason=reason)
    except PerdureError as error:
        return await _form(
            request,
            platform,
            viewer,
            provider=provider,
            typed=typed,
            problem=problem_of(error),
        )
    return RedirectResponse(f"{LIST}?done={provider}", 303)


async def _form(
    request: Request,
    platform: Platform,
    viewer: Viewer,
    *,
    provider: str,
    typed: Mapping[str, str],
    problem: Problem | None = None,
) -> Response:
    check_provider(provider, platform.kinds.limited_providers)
    found = await store.statuses(platform.pool, [provider])
    status = next(one for one in found if one.limit.provider == provider)
    return page(
        request,
        "limit.html",
        viewer,
        status=problem.status if problem else 200,
        provider=status,
        problem=problem,
        per_second=typed.get("per_second", _written(status.limit.per_second)),
        at_once=typed.get("at_once", _written(status.limit.at_once)),
        reason=typed.get("reason", ""),
        list_path=LIST,
    )


def _written(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def _number(typed: Mapping[str, str], name: str) -> float | None:
    text = typed.get(name, "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise InvalidInput(f"{text!r} is no number.", param=name) from None


def _whole(typed: Mapping[str, str], name: str) -> int | None:
    number = _number(typed, name)
    if number is not None and not number.is_integer():
        raise InvalidInput(f"{number:g} is no whole number.", param=name)
    return None if number is None else int(number)
