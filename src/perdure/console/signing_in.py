"""Signing in with an API key, and out."""

from typing import Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from perdure.api.authentication import PlatformOfApp
from perdure.api.errors import problem_of
from perdure.api.keys import find_key
from perdure.api.sessions import begin_session, end_session
from perdure.console.errors import ConsoleRoute, sign_in_page
from perdure.console.rendering import HOME
from perdure.console.viewers import (
    check_is_of_house,
    check_is_own_page,
    drop_token,
    fields_of,
    form_with,
    set_token,
    token_of,
)
from perdure.core.errors import Forbidden, Unauthenticated

router = APIRouter(route_class=ConsoleRoute)

SIGN_IN: Final = f"{HOME}/sign-in"
_TYPED: Final = "typed."


@router.get("/sign-in")
async def show_sign_in(request: Request) -> Response:
    """Show where one signs in."""
    leads_to = _own_page(request.query_params.get("next", HOME))
    return sign_in_page(request, leads_to=leads_to, typed={})


@router.post("/sign-in")
async def sign_in(request: Request, platform: PlatformOfApp) -> Response:
    """Begin a session, and show what was asked for, with what was typed there."""
    check_is_own_page(request)
    fields = await fields_of(request)
    leads_to = _own_page(fields.get("next", HOME))
    typed = {
        name.removeprefix(_TYPED): value
        for name, value in fields.items()
        if name.startswith(_TYPED)
    }
    try:
        key = check_is_of_house(await find_key(platform.pool, fields.get("key", "").strip()))
    except (Unauthenticated, Forbidden) as error:
        problem = problem_of(error)
        return sign_in_page(
            request, status=problem.status, problem=problem, leads_to=leads_to, typed=typed
        )
    lasts = platform.settings.console_session_lasts
    token = await begin_session(platform.pool, key, lasts)
    if typed:
        path, _, query = leads_to.partition("?")
        leads_to = f"{path}?{query}{'&' if query else ''}{urlencode(typed)}"
    response = RedirectResponse(leads_to, 303)
    set_token(request, response, token, round(lasts.total_seconds()))
    return response


@router.post("/sign-out", dependencies=[Depends(form_with(None))])
async def sign_out(request: Request, platform: PlatformOfApp) -> Response:
    """End the session."""
    if (token := token_of(request)) is not None:
        await end_session(platform.pool, token)
    response = RedirectResponse(SIGN_IN, 303)
    drop_token(request, response)
    return response


def _own_page(address: str) -> str:
    """Return an address of the console; home for any other: nobody is sent elsewhere."""
    parts = urlsplit(address)
    is_ours = parts.path == HOME or parts.path.startswith(f"{HOME}/")
    is_plain = not (parts.scheme or parts.netloc) and address.isprintable() and "\\" not in address
    is_shown = parts.path not in (SIGN_IN, f"{HOME}/sign-out")
    return address if is_ours and is_plain and is_shown else HOME
