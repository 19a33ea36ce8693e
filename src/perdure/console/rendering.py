"""Pages as they are sent: templates filled in, and the headers that keep a browser to them."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, Response

from perdure.console import words
from perdure.console.viewers import Viewer
from perdure.core.clock import utc_now
from perdure.core.errors import NotFound
from perdure.operations.model import Status

HOME: Final = "/console"

_FOLDER: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the navigation leads to.

    Args:
        scope: What a key needs to see it.
    """

    path: str
    name: str
    scope: str


PLACES: Final = (
    Place(f"{HOME}/attention", "Attention", "operations:read"),
    Place(f"{HOME}/operations", "Operations", "operations:read"),
    Place(f"{HOME}/errors", "Errors", "operations:read"),
    Place(f"{HOME}/providers", "Providers", "limits:read"),
)


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    compressed: bytes
    media_type: str
    version: str


@cache
def _assets() -> dict[str, _Asset]:
    found = {}
    for path in sorted((_FOLDER / "static").iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            version = hashlib.sha256(content).hexdigest()[:12]
            found[path.name] = _Asset(
                content, gzip.compress(content, mtime=0), _TYPES[path.suffix], version
            )
    return found


def asset_url(name: str) -> str:
    """Return where a style sheet or a script is; another address when its content is another."""
    return f"{HOME}/static/{name}?v={_assets()[name].version}"


def asset(request: Request, name: str) -> Response:
    """Return a style sheet or a script, to be kept by the browser.

    Raises:
        NotFound: `page_not_found`.
    """
    found = _assets().get(name)
    if found is None:
        raise page_not_found()
    is_zipped = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if is_zipped:
        headers["Content-Encoding"] = "gzip"
    content = found.compressed if is_zipped else found.content
    return Response(content, headers=headers, media_type=found.media_type)


def page_not_found() -> NotFound:
    """Return the refusal of an address that leads nowhere."""
    return NotFound("There is no page at this address.", code="page_not_found")


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        # Whatever is shown may have been written by somebody who means harm.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.globals |= {"asset_url": asset_url, "HOME": HOME, "statuses": [*Status]}
    return environment


def fragment(template: str, **values: Any) -> str:
    """Return a part of a page, filled in."""
    return _templates().get_template(template).render(now=utc_now(), **values)


def page(
    request: Request,
    template: str,
    viewer: Viewer | None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Return a page, filled in.

    Args:
        viewer: Who sees it; None: nobody who is known.
    """
    path = request.url.path
    places = [place for place in PLACES if viewer is not None and viewer.may(place.scope)]
    content = fragment(
        template,
        viewer=viewer,
        places=places,
        path=path,
        request_id=request.state.request_id,
        **values,
    )
    return HTMLResponse(content, status, headers)


def guard(response: Response) -> Response:
    """Have a browser run nothing but ours, and keep nothing, unless the answer says so."""
    headers: MutableHeaders = response.headers
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
    return response
