"""The HTTP client of a provider: one pool of connections, opened with the process."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.connector import Connection

from perdure.core.errors import ConfigurationError
from perdure.core.telemetry import Side, telemetry

CONNECTIONS_MAX: Final = 100
KEEP_ALIVE_S: Final = 4.0
"""Shorter than servers keep an idle connection, which is often 5 s: what is sent into one that the
server is closing has an unknown outcome."""

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@asynccontextmanager
async def open_http_client(
    base_url: str, *, timeout_s: float, connections_max: int = CONNECTIONS_MAX
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the client of a provider that asks for no credentials; see `http_client`.

    Raises:
        ConfigurationError: The URL, or the proxy's, is none of HTTP.
    """
    async with http_client(
        base_url, timeout_s=timeout_s, connections_max=connections_max
    ) as client:
        yield client


def http_client(
    base_url: str,
    *,
    timeout_s: float,
    connections_max: int = CONNECTIONS_MAX,
    headers: Mapping[str, str] | None = None,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    tls: ssl.SSLContext | bool = True,
) -> aiohttp.ClientSession:
    """Return the client of one provider, which its caller closes.

    It keeps no cookies. `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are looked at once,
    here: aiohttp itself (`trust_env`) would do so in a thread at every call. Nothing on this
    machine is asked through a proxy.

    Args:
        base_url: What every path goes under; it may have a path of its own.
        timeout_s: The longest wait for a connection, and then for each part of the answer; the
            whole takes twice that at most.
        connections_max: How many connections there may be; further calls wait for one.
        headers: What every request carries.
        middlewares: What looks at every request before it is sent.
        tls: How certificates are shown and checked; True: those that the system trusts.

    Raises:
        ConfigurationError: The URL, or the proxy's, is none of HTTP.
    """
    url = _http_url(base_url).rstrip("/") + "/"
    # `total` is never first while connecting, so that whatever it ends was sent. It ends what the
    # others let go on for ever: answers that trickle, and a broken chunk after the head, at which
    # aiohttp (3.14) stops its clock and waits.
    timeout = aiohttp.ClientTimeout(total=2 * timeout_s, connect=timeout_s, sock_read=timeout_s)
    return aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(
            limit=connections_max, keepalive_timeout=KEEP_ALIVE_S, ssl=tls
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        middlewares=(_traced, *middlewares) if telemetry().traces else middlewares,
        response_class=_Response,
        timeout=timeout,
        proxy=_proxy_to(url),
    )


async def _traced(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Tell of a request, and have it say what it is part of; never what is asked."""
    facts = {"http.request.method": request.method, "server.address": request.url.host}
    with telemetry().span(request.method, facts, side=Side.ASKING) as span:
        request.headers.update(telemetry().carried())
        response = await send(request)
        span.note({"http.response.status_code": response.status})
        return response


class _Response(aiohttp.ClientResponse):
    """An answer to what was asked.

    aiohttp (3.14) takes what came unasked over an idle connection for the answer to the next
    request, be it of another payment.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head, where nothing was there before the request went out."""
        if connection.protocol is None or connection.protocol.should_close:
            raise aiohttp.ServerDisconnectedError("There was an answer before the question.")
        return await super().start(connection)


def is_this_machine(host: str) -> bool:
    """Whether a name is this machine's, whatever the network."""
    return host in _THIS_MACHINE


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_http = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_http = False
    if not is_http:
        shown = text.rpartition("@")[2]  # without a password
        raise ConfigurationError(f"{shown} is no URL of HTTP; give one as https://example.com.")
    return text


def _proxy_to(url: str) -> str | None:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    if is_this_machine(parts.hostname or "") or proxy_bypass(address):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    return _http_url(proxy if "://" in proxy else f"http://{proxy}")
