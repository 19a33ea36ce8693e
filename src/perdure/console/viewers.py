"""Who looks: the session in a cookie, and the form that a page of ours sent."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlsplit

import structlog
from fastapi import Depends, Request
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp
from perdure.api.keys import ApiKey, digest_of, key_of_session
from perdure.api.sessions import form_token
from perdure.api.shares import RequestShares
from perdure.core.errors import Forbidden, InvalidInput, Unauthenticated

NOT_SIGNED_IN: Final = "not_signed_in"
FORM_TOKEN: Final = "form_token"  # noqa: S105 - a field's name
_COOKIE: Final = "perdure_console"
_FIELDS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody of the house who is signed in.

    Args:
        form_token: What their forms carry.
    """

    key: ApiKey
    form_token: str

    def may(self, scope: str) -> bool:
        """Whether they may do this."""
        return self.key.allows(scope)


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _cookie(request: Request) -> str:
    # With this prefix no other host, and no page without TLS, can set it.
    return f"__Host-{_COOKIE}" if _is_secure(request) else _COOKIE


def token_of(request: Request) -> str | None:
    """Return the token of the session that a request comes with."""
    return request.cookies.get(_cookie(request))


def set_token(request: Request, response: Response, token: str, max_age_s: int) -> None:
    """Have the browser keep a session's token: sent to us alone, and not told to scripts."""
    response.set_cookie(
        _cookie(request),
        token,
        max_age=max_age_s,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )


def drop_token(request: Request, response: Response) -> None:
    """Have the browser forget the token."""
    set_token(request, response, "", 0)


def check_is_of_house(key: ApiKey) -> ApiKey:
    """Refuse a customer's key.

    Raises:
        Forbidden: `house_only`.
    """
    if key.customer_id is not None:
        raise Forbidden(
            f"This API key is customer {key.customer_id}'s; the console is the house's alone.",
            code="house_only",
        )
    return key


def viewer_with(scope: str | None) -> Callable[..., Awaitable[Viewer]]:
    """Return a dependency: who is signed in, with a key that has to have this scope.

    Args:
        scope: None: any will do.

    Raises:
        Unauthenticated: `not_signed_in`, `session_over`, or the key is not to be used any more.
        ProviderRateLimited: `too_many_requests`.
        Forbidden: `missing_scope`, `house_only`.
    """

    async def viewer(request: Request, platform: PlatformOfApp) -> Viewer:
        token = token_of(request)
        if not token:
            raise Unauthenticated("Sign in first.", code=NOT_SIGNED_IN)
        shares: RequestShares = request.app.state.shares
        digest = digest_of(token)
        shares.check(digest)
        key = check_is_of_house(await key_of_session(platform.pool, token))
        shares.take(digest, key)
        structlog.contextvars.bind_contextvars(actor=key.actor)
        found = request.state.viewer = Viewer(key, form_token(token))
        if scope is not None and not found.may(scope):
            raise Forbidden(
                f"{key.name} may not do this: the API key lacks the scope {scope}.",
                code="missing_scope",
            )
        return found

    return viewer


async def fields_of(request: Request) -> dict[str, str]:
    """Return what a form sent, the last of each name; empty: it sent none.

    Raises:
        InvalidInput: `invalid_form`.
    """
    if request.method != "POST":
        return {}
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX))
    except ValueError:
        raise InvalidInput("This is no form of the console's.", code="invalid_form") from None


def check_is_own_page(request: Request) -> None:
    """Refuse what another site's page sent.

    Raises:
        Forbidden: `foreign_form`.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_own or site not in ("same-origin", "none"):
        raise Forbidden("This form was not sent by a page of the console.", code="foreign_form")


def form_with(scope: str | None) -> Callable[..., Awaitable[Mapping[str, str]]]:
    """Return a dependency: what a form of the viewer's own sent; as `viewer_with`.

    Raises:
        Forbidden: `foreign_form`.
        InvalidInput: `invalid_form`.
    """

    async def form(
        request: Request, viewer: Annotated[Viewer, Depends(viewer_with(scope))]
    ) -> Mapping[str, str]:
        check_is_own_page(request)
        fields = await fields_of(request)
        if not hmac.compare_digest(fields.pop(FORM_TOKEN, "").encode(), viewer.form_token.encode()):
            raise Forbidden(
                "This form is from another session; look at it once more, and send it again.",
                code="foreign_form",
            )
        return fields

    return form
