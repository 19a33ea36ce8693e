"""What every request goes through: its body, its size, its id, errors of our own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import pytest
import structlog
from structlog.testing import LogCapture, capture_logs
from temporalio.client import Client

from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.core.ids import new_id
from perdure.limits import store as limits
from perdure.limits.model import Ask, Heard
from perdure.limits.rules import FAILURES_MAX
from perdure.storage.pool import Pool, open_pool
from tests.polls import eventually

from .api_client import Api, created, ok, payment_body, refused
from .conftest import api_on

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"customer_id": }',
        b"\xff\xfe",
        b"{'customer_id': 'cus_1'}",
        b'{"amount_minor": ' + b"9" * 5000 + b"}",
        b"[" * 50_000,
    ],
)
async def test_a_body_that_is_not_json_is_told_so(api: Api, body: bytes) -> None:
    answer = await api.http.post("/v1/payments", content=body, headers=api.headers() | JSON)
    refused(answer, 400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"'])
async def test_a_body_that_is_no_object_is_told_so(api: Api, body: bytes) -> None:
    answer = await api.http.post("/v1/payments", content=body, headers=api.headers() | JSON)
    assert "JSON object" in refused(answer, 400, "invalid_input")


async def test_a_missing_body_is_asked_for(api: Api) -> None:
    answer = await api.http.post("/v1/payments", headers=api.headers() | JSON)
    assert "Send a body" in refused(answer, 400, "missing_field")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", None])
async def test_a_body_that_does_not_say_json_is_refused(api: Api, content_type: str | None) -> None:
    headers = api.headers() | ({"Content-Type": content_type} if content_type else {})
    answer = await api.http.post("/v1/payments", content=b'{"a": 1}', headers=headers)
    refused(answer, 415, "unsupported_media_type")


async def test_a_body_too_large_is_refused_by_its_length(api: Api, settings: Settings) -> None:
    body = b" " * (settings.api_body_bytes_max + 1)
    answer = await api.http.post("/v1/payments", content=body, headers=api.headers() | JSON)
    refused(answer, 413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/callbacks/gateway"])
async def test_a_body_too_large_is_refused_as_it_comes(
    server: Api, settings: Settings, path: str
) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64 * settings.api_body_bytes_max // 65_536):
            sent += 65_536
            yield b" " * 65_536

    answer = await server.http.post(path, content=chunks(), headers=server.headers() | JSON)
    refused(answer, 413, "body_too_large")


async def test_a_body_of_the_largest_size_is_read(api: Api, settings: Settings) -> None:
    body = b"{}" + b" " * (settings.api_body_bytes_max - 2)
    answer = await api.http.post("/v1/payments", content=body, headers=api.headers() | JSON)
    refused(answer, 400, "missing_field", "customer_id")


async def test_what_a_request_led_to_carries_its_id(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    headers = api.headers() | {"X-Request-Id": "mine"}
    seen = LogCapture()
    with logged_to(seen):
        answer = await api.http.post("/v1/payments", json=payment_body(wallet), headers=headers)
        payment_id = created(answer)["id"]
        await api.http.post(
            f"/v1/payments/{payment_id}/cancel", json={"reason": "x"}, headers=headers
        )
        await api.http.get(f"/v1/payments/{'a' * 2000}", headers=headers)
    page = ok(await api.get(f"/v1/operations/{payment_id}/timeline"))
    assert [(entry["action"], entry["request_id"]) for entry in page["data"]] == [
        ("accepted", "mine"),
        ("cancel_requested", "mine"),
    ]
    told = [line for line in seen.entries if line["event"] == "request"]
    assert [line["request_id"] for line in told] == ["mine"] * 3
    assert [line["operation_id"] for line in told] == [payment_id, payment_id, None]
    assert told[0]["workflow_id"] == payment_id
    assert len(told[2]["path"]) < 250


@contextmanager
def logged_to(capture: LogCapture) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    try:
        yield
    finally:
        structlog.configure(**before)


async def test_a_request_keeps_its_id_or_is_given_one(api: Api) -> None:
    answer = await api.http.get("/healthz", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["X-Request-Id"] == "abc-123"
    for unusable in ("x" * 129, "a\tb", ""):
        answer = await api.http.get("/healthz", headers={"X-Request-Id": unusable})
        assert answer.headers["X-Request-Id"].startswith("req_")


async def test_unknown_routes_and_methods_have_the_shape_of_errors(api: Api) -> None:
    refused(await api.get("/v1/nothing"), 404, "route_not_found")
    answer = await api.http.delete("/v1/payments", headers=api.headers())
    refused(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"] or "GET" in answer.headers["Allow"]


async def test_an_error_of_our_own_tells_nothing(platform: Platform, admin_secret: str) -> None:
    class Broken:
        async def find(self, **_: object) -> None:
            raise ValueError("password=hunter2")

    broken = replace(platform, operations=Broken())  # type: ignore[arg-type]
    async with api_on(broken, admin_secret) as api:
        answer = await api.get("/v1/payments")
    assert "hunter2" not in answer.text
    refused(answer, 500, "internal_error")


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/callbacks/gateway"])
async def test_a_caller_that_goes_away_in_its_body_leaves_no_error_on_record(
    server: Api, path: str
) -> None:
    url = server.http.base_url
    head = f"POST {path} HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 100\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in (server.headers() | JSON).items())
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"{head}\r\n{{".encode())
        await writer.drain()
        writer.close()
        await eventually(lambda: logs)
    assert [(log["event"], log["status"]) for log in logs] == [("request", 400)]


async def test_a_database_that_is_away_is_no_error_of_the_caller(
    platform: Platform, settings: Settings
) -> None:
    away = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)
    async with away, api_on(compose(settings, away, platform.client), "perdure_x") as api:
        answer = await api.get("/v1/payments")
        readiness = await api.http.get("/readyz")
    refused(answer, 503, "database_unavailable")
    assert "Retry-After" in answer.headers
    assert (readiness.status_code, readiness.json()["database"]) == (503, "unreachable")


async def test_the_process_lives_and_says_what_it_lacks(api: Api) -> None:
    assert ok(await api.http.get("/healthz")) == {"status": "ok"}
    answer = await api.http.get("/readyz")
    assert answer.status_code == 503
    states = {name: answer.json()[name] for name in ("status", "database", "temporal")}
    assert states == {"status": "not_ready", "database": "ok", "temporal": "unreachable"}


async def test_the_process_is_ready_once_everything_is_there(
    settings: Settings, platform: Platform, temporal_client: Client, admin_secret: str
) -> None:
    ready = compose(settings, platform.pool, temporal_client)
    async with api_on(ready, admin_secret) as api:
        answer = ok(await api.http.get("/readyz"))
    assert (answer["status"], answer["database"], answer["temporal"]) == ("ready", "ok", "ok")


async def test_a_provider_that_is_away_and_what_waits_for_it_are_told(
    settings: Settings, platform: Platform, temporal_client: Client, pool: Pool
) -> None:
    provider = new_id("prv")
    failing = {"charge": Heard(failed=FAILURES_MAX, is_failing=True)}
    asked = Ask(0, 0, failures=FAILURES_MAX, heard=failing)
    await limits.ask(pool, provider, "some-process", asked)
    ready = compose(settings, platform.pool, temporal_client)
    async with api_on(ready, "") as api:
        answer = ok(await api.http.get("/readyz"))
    assert answer["status"] == "ready", "what needs it waits for it, and is accepted"
    # On a machine that stalls it may already be due to be tried again.
    told = ("answers nobody, since ", "leaves calls unanswered (100% of the latest), since ")
    assert answer["providers"][provider].startswith(told)
    assert {"oldest_unknown_s", "oldest_waiting_s"} <= answer.keys()


async def test_a_database_that_is_not_migrated_is_not_ready(
    platform: Platform, postgres_url: str
) -> None:
    async with (
        open_pool(postgres_url, size=1) as empty,
        api_on(replace(platform, pool=empty), "") as api,
    ):
        answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "not_migrated")
