"""Credentials as they arrive: at servers that look at them, over TLS that checks both ends."""

import asyncio
import base64
import hashlib
import hmac
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosmtpd.smtp as smtpd
import pytest
import trustme
from aiohttp import web

from perdure.core.errors import ConfigurationError, PerdureError, ProviderUnavailable
from perdure.providers.bank import HttpPayoutBank
from perdure.providers.credentials import HttpSettings, signed
from perdure.providers.host import ProviderHost
from perdure.providers.mail import Mail, SmtpMailer, SmtpSettings

PASSWORD: Final = "hunter2"
KEY: Final = b"a key that both of us know"

Serve = Callable[..., Awaitable[str]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The authority's certificate, and ours with its key, as files."""
    folder = tmp_path_factory.mktemp("certificates")
    ours = authority.issue_cert("perdure.example")
    written = {name: folder / f"{name}.pem" for name in ("ca", "client_certificate", "client_key")}
    authority.cert_pem.write_to_path(str(written["ca"]))
    ours.cert_chain_pems[0].write_to_path(str(written["client_certificate"]))
    ours.private_key_pem.write_to_path(str(written["client_key"]))
    return written


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@asynccontextmanager
async def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve everything by a handler; yields the URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0, ssl_context=tls)
        await site.start()
        yield f"{'https' if tls else 'http'}://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def found_by(url: str, **settings: Any) -> str:
    """Have a bank asked, with these credentials; returns what it has, or what is said instead."""
    async with ProviderHost(timeout_s=30) as host:
        read = HttpSettings.read(prefix="PERDURE_BANK_", url=url, **settings)
        bank = HttpPayoutBank.from_settings(read, host)
        try:
            found = await bank.find_payout("tfr_1")
        except ProviderUnavailable as error:
            return told(error, read)
        return found.id if found else "nothing"


def told(error: ProviderUnavailable, settings: object) -> str:
    """Return what is said, and see that it tells no secret."""
    assert PASSWORD not in f"{error} {error.__cause__!r} {settings!r}"
    return error.message


def knows(expected: str) -> Handler:
    """Answer who shows this, and nobody else."""

    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != expected:
            return web.json_response({"error": {"code": "no_such_key"}}, status=401)
        return web.json_response({"data": []})

    return handler


BASIC: Final = f"Basic {base64.b64encode(f'us:{PASSWORD}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (f"Bearer {PASSWORD}", {"api_key": PASSWORD}),
        (BASIC, {"user": "us", "password": PASSWORD}),
    ],
)
async def test_a_key_or_a_password_is_shown(expected: str, settings: dict[str, str]) -> None:
    async with serve(knows(expected)) as url:
        assert await found_by(url, **settings) == "nothing"
        said = await found_by(url, api_key="another")
    assert said == "The bank does not take our credentials (401 no_such_key); check its settings."


def is_signed(request: web.Request, body: bytes, key: bytes) -> bool:
    """Check a request as RFC 9421 and RFC 9530 have it, from what arrived alone."""
    found = re.fullmatch(r"perdure=(\((.*)\);created=\d+;.*)", request.headers["Signature-Input"])
    assert found is not None
    given, names = found.groups()
    path, _, query = request.raw_path.partition("?")
    arrived = {
        "@method": request.method,
        "@authority": request.host,
        "@path": path,
        "@query": f"?{query}",
    }
    lines = [
        f'"{name}": {arrived.get(name) or request.headers[name]}'
        for name in names.replace('"', "").split()
    ]
    base = "\n".join([*lines, f'"@signature-params": {given}']).encode()
    signature = base64.b64encode(hmac.digest(key, base, hashlib.sha256)).decode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return request.headers["Signature"] == f"perdure=:{signature}:" and (
        not body or request.headers["Content-Digest"] == f"sha-256=:{digest}:"
    )


async def test_every_request_is_signed() -> None:
    signatures: list[tuple[str, bool, bool]] = []
    names: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        names.append(request.headers["Signature-Input"].partition(")")[0])
        signatures.append(
            (request.method, is_signed(request, body, KEY), is_signed(request, body, b"another"))
        )
        return web.json_response({"data": []} if request.method == "GET" else {})

    key = base64.b64encode(KEY).decode()
    async with serve(handler) as url, ProviderHost(timeout_s=30) as host:
        settings = HttpSettings.read(
            prefix="", url=f"{url}/a%20b", hmac_key=key, hmac_key_id="perdure-1"
        )
        bank = HttpPayoutBank.from_settings(settings, host)
        await bank.find_payout("tfr/1 &")
        with pytest.raises(PerdureError):
            await bank.pay_out(reference="t", amount_minor=1, currency="EUR", destination="DE00")
    assert signatures == [("GET", True, False), ("POST", True, False)]
    assert names == [
        'perdure=("@method" "@authority" "@path" "@query"',
        'perdure=("@method" "@authority" "@path" "@query" "content-digest" "idempotency-key"',
    ]


def test_the_signature_of_rfc_9421() -> None:
    """Appendix B.2.5."""
    key = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    parts = {
        '"date"': "Tue, 20 Apr 2021 02:07:55 GMT",
        '"@authority"': "example.com",
        '"content-type"': "application/json",
    }
    given = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    assert signed(key, parts, given) == ":pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"


async def test_both_ends_show_certificates(
    authority: trustme.CA, certificates: dict[str, Path]
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED

    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    ca = certificates["ca"]
    async with serve(handler, tls=tls) as url:
        assert await found_by(url, **certificates) == "nothing"
        assert "cannot be reached" in await found_by(url, ca=ca)
        assert "cannot be reached" in await found_by(url)


async def test_a_certificate_that_cannot_be_used_is_told(
    certificates: dict[str, Path], tmp_path: Path
) -> None:
    ca, none = certificates["ca"], tmp_path / "none.pem"
    with pytest.raises(ConfigurationError, match=r"none\.pem cannot be used: No such file"):
        await found_by("https://localhost", ca=none)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await found_by("https://localhost", client_certificate=ca, client_key=ca)


class Inbox:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.users: list[str] = []

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: smtpd.SMTP, session: smtpd.Session, _envelope: smtpd.Envelope
    ) -> str:
        secured = server.transport and server.transport.get_extra_info("sslcontext")
        self.users.append(f"{session.auth_data} over {'TLS' if secured else 'nothing'}")
        return "250 2.0.0 Taken"


@asynccontextmanager
async def mail_server(
    *, starts: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, Inbox]]:
    """Run a mail server that wants a password; yields its port."""
    inbox, loop = Inbox(), asyncio.get_running_loop()

    def authenticate(*arguments: Any) -> smtpd.AuthResult:
        login = arguments[-1]
        right = (login.login, login.password) == (b"us", PASSWORD.encode())
        return smtpd.AuthResult(success=right, auth_data=login.login.decode(), handled=right)

    def protocol() -> smtpd.SMTP:
        return smtpd.SMTP(
            inbox,
            hostname="localhost",
            loop=loop,
            tls_context=starts,
            require_starttls=starts is not None,
            auth_require_tls=starts is not None,  # it does not know TLS from the first byte
            auth_required=starts is not None,
            authenticator=authenticate,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    async with server:
        yield server.sockets[0].getsockname()[1], inbox


async def sent(port: int, **settings: Any) -> str:
    """Have a mail sent; returns what is said where it is not."""
    async with ProviderHost(timeout_s=30) as host:
        read = SmtpSettings.read(prefix="PERDURE_MAIL_", host="localhost", port=port, **settings)
        mailer = SmtpMailer.from_settings(read, host)
        try:
            await mailer.check()
            await mailer.send(Mail("<1@perdure.example>", "ada@example.com", "A", "b", "us@a.com"))
        except ProviderUnavailable as error:
            return told(error, read)
    return "taken"


US: Final = {"user": "us", "password": PASSWORD}


async def test_a_mail_server_is_logged_into_once_nobody_can_read_it(
    server_tls: ssl.SSLContext, certificates: dict[str, Path]
) -> None:
    async with mail_server(starts=server_tls) as (port, inbox):
        assert await sent(port, ca=certificates["ca"], **US) == "taken"
        assert "cannot be reached" in await sent(port, **US)  # nobody vouches for it
        wrong = await sent(port, ca=certificates["ca"], user="us", password="another")
    assert wrong == (
        "The mail server does not take our user and password (535); check PERDURE_MAIL_USER and"
        " PERDURE_MAIL_PASSWORD."
    )
    assert inbox.users == ["us over TLS"]


async def test_a_mail_server_may_speak_tls_from_the_first_byte(
    server_tls: ssl.SSLContext, certificates: dict[str, Path]
) -> None:
    async with mail_server(implicit=server_tls) as (port, inbox):
        assert await sent(port, ca=certificates["ca"], tls="implicit", **US) == "taken"
    assert inbox.users == ["us over TLS"]
