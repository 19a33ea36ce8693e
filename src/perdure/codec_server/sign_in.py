"""Signing in by a browser: Temporal's UI sends cookies to a codec server, but no key of ours.

The cookie is the key, which no script can read; it counts for pages of the origins alone that the
settings name, and goes with requests of the same site only.
"""

from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure.api.authentication import PlatformOfApp
from perdure.api.keys import find_key
from perdure.api.scopes import DECODE
from perdure.core.errors import Forbidden, Unauthenticated
from perdure.providers.http_client import is_this_machine

router = APIRouter()

_PATH: Final = "/sign-in"
_COOKIE: Final = "perdure_codec_key"
_LASTS_S: Final = 12 * 3600
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Perdure: codec server</title>
<body><h1>Show payloads in Temporal's UI</h1><p>{told}</p>
<form method="post" action="/sign-in"><label>An API key with the scope payloads:decode
<input name="key" type="password" autocomplete="off" required></label>
<button>Sign in</button></form></body></html>"""
_STRICT: Final = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@router.get(_PATH)
async def page() -> HTMLResponse:
    """Show the form."""
    return _page("Every look is kept, with the key's name.")


@router.post(_PATH)
async def sign_in(request: Request, platform: PlatformOfApp) -> HTMLResponse:
    """Have the browser keep a key for the day."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    secret = form.get("key", [""])[0].strip()
    try:
        key = await find_key(platform.pool, secret)
        if key.customer_id is not None or not key.allows(DECODE):
            raise Forbidden(f"The key {key.prefix}… lacks the scope {DECODE}.")
    except (Unauthenticated, Forbidden) as error:
        return _page(error.message, status=403)
    answer = _page(f"Signed in as {key.actor}. Go back to Temporal's UI.")
    answer.set_cookie(
        _COOKIE,
        secret,
        max_age=_LASTS_S,
        path="/decode",
        httponly=True,
        samesite="strict",
        secure=not is_this_machine(request.url.hostname or ""),
    )
    return answer


class KeyOfCookie:
    """Takes the key that a browser keeps for the request's, where that has none.

    Args:
        origins: The pages for which it does.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and (secret := self._kept(Headers(scope=scope))):
            bearer = (b"authorization", f"Bearer {secret}".encode("latin-1", "replace"))
            scope = {**scope, "headers": [*scope["headers"], bearer]}
        await self._app(scope, receive, send)

    def _kept(self, headers: Headers) -> str | None:
        if "authorization" in headers or headers.get("origin") not in self._origins:
            return None
        return cookie_parser(headers.get("cookie", "")).get(_COOKIE)


def _page(told: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(told=escape(told)), status, _STRICT)
