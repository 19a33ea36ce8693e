"""Who gets into the console, and for how long."""

from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from perdure.api.app import create_app
from perdure.api.keys import create_key, revoke_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.console.rendering import HOME
from perdure.storage.pool import Pool
from tests.integration.api.api_client import Api

from .browsing import KEPT_TO, Browser, forms_of, words_of


async def test_one_signs_in_with_a_key_of_the_house(
    api: Api, app: FastAPI, admin_secret: str
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO) as http:
        browser = Browser(http)
        page = await browser.get("/console/operations", status="failed")
        assert page.status_code == 401
        assert "WWW-Authenticate" not in page.headers
        fields = forms_of(page)["/console/sign-in"]
        assert fields["next"] == "/console/operations?status=failed"
        answer = await browser.sign_in("perdure_wrong", next=fields["next"])
        assert (answer.status_code, "not known" in words_of(answer)) == (401, True)
        answer = await browser.sign_in(admin_secret, next=fields["next"])
        assert answer.headers["location"] == fields["next"]
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert admin_secret not in cookie
        assert "Operations" in words_of(await browser.get(fields["next"]))


async def test_behind_tls_the_cookie_is_for_tls_alone(app: FastAPI, admin_secret: str) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="https://console"
    ) as http:
        cookie = (await Browser(http).sign_in(admin_secret)).headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie


@pytest.mark.parametrize(
    "leads_to", ["https://elsewhere", "//elsewhere", "/v1/operations", "/console/sign-out", "/\\x"]
)
async def test_signing_in_leads_nowhere_else(
    app: FastAPI, admin_secret: str, leads_to: str
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO) as http:
        answer = await Browser(http).sign_in(admin_secret, next=leads_to)
        assert answer.headers["location"] == "/console"


async def test_a_customers_key_does_not_get_in(app: FastAPI, pool: Pool) -> None:
    _, secret = await create_key(pool, "shop", [ADMIN], customer_id=f"cus_{uuid4().hex[:8]}")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO) as http:
        answer = await Browser(http).sign_in(secret)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_nothing_is_shown_or_done_for_who_is_not_signed_in(
    app: FastAPI, platform: Platform
) -> None:
    routes = [
        (method, str(route.path))
        for route in iter_route_contexts(create_app(platform).routes)
        for method in (route.methods or set()) - {"HEAD"}
        if str(route.path).startswith(HOME)
    ]
    open_to_all = {"/console/sign-in", "/console/static/{name}", "/console/{_path:path}"}
    assert open_to_all < {path for _, path in routes}
    kept = sorted((method, path) for method, path in routes if path not in open_to_all)
    assert len(kept) > 10
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO) as http:
        for method, path in kept:
            address = path.format(
                operation_id="pay_01h455vb4pex5vsknk084sn02q",
                action="cancel",
                provider="gateway",
            )
            answer = await http.request(method, address)
            assert answer.status_code == 401, (method, path, answer.text)


async def test_a_session_ends_with_its_key_and_by_signing_out(
    app: FastAPI, pool: Pool, browser: Browser
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=KEPT_TO) as http:
        key, secret = await create_key(pool, f"leaves-{uuid4().hex[:6]}", [ADMIN])
        other = Browser(http)
        await other.sign_in(secret)
        assert (await other.get("/console/operations")).status_code == 200
        await revoke_key(pool, key.id)
        answer = await other.get("/console/operations")
        assert (answer.status_code, "is revoked" in words_of(answer)) == (401, True)
    token = dict(browser.http.cookies)
    fields = forms_of(await browser.get("/console/operations"))["/console/sign-out"]
    assert (await browser.post("/console/sign-out", fields)).status_code == 303
    # Whoever copied the cookie has nothing of it either.
    browser.http.cookies.update(token)
    assert (await browser.get("/console/operations")).status_code == 401
