"""Temporal's remote codec, on payloads that Temporal's server kept."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.protobuf.json_format import MessageToJson, Parse
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client
from temporalio.converter import DataConverter

from perdure.api.keys import create_key
from perdure.api.scopes import Role
from perdure.bootstrap import compose
from perdure.codec_server.app import create_app
from perdure.codec_server.decoding import decodes
from perdure.codec_server.settings import CodecServerSettings
from perdure.config import Settings
from perdure.core.ids import new_id
from perdure.durable.payloads.codec import encrypting_converter
from perdure.durable.payloads.keys import DataKeys
from perdure.durable.payloads.settings import new_master
from perdure.operations import store
from perdure.operations.model import NewOperation
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

from .test_payloads import ring

MASTER = new_master("codec")
UI = "https://temporal.test"
SECRET = "Ada Lovelace"


class Codec:
    """The server in this process, and what asks it."""

    def __init__(self, pool: Pool, client: Client, http: httpx.AsyncClient) -> None:
        self.pool, self.client, self.http = pool, client, http

    async def key(self, role: Role = Role.OPERATOR, customer: str | None = None) -> dict[str, str]:
        scopes = ["payments:read"] if customer else []
        _, secret = await create_key(
            self.pool, "ada", scopes, customer, role=None if customer else role
        )
        return {"Authorization": f"Bearer {secret}"}

    async def kept(self, customer_id: str) -> list[Payload]:
        """Have Temporal keep an operation's input; returns it as its server gives it back."""
        operation_id = new_id("tfr")
        new = NewOperation(operation_id, "transfer", customer_id, {"request": {}})
        async with transaction(self.pool) as connection:
            await store.accept(connection, new, actor="test")
        handle = await self.client.start_workflow(
            "Transfer", {"name": SECRET}, id=operation_id, task_queue=f"nobody-{uuid4().hex}"
        )
        [began, *_] = (await handle.fetch_history()).events
        await handle.terminate()
        return [*began.workflow_execution_started_event_attributes.input.payloads]

    async def decode(self, payloads: list[Payload], **headers: str) -> httpx.Response:
        return await self.http.post(
            "/decode",
            content=MessageToJson(Payloads(payloads=payloads)),
            headers={"X-Namespace": "default", "Content-Type": "application/json", **headers},
        )


@pytest.fixture(scope="module")
async def codec(postgres_url: str, temporal_client: Client) -> AsyncIterator[Codec]:
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as pool:
        config = temporal_client.config()
        config["data_converter"] = encrypting_converter(DataKeys(pool, ring(MASTER), known_s=0))
        client = Client(**config)
        platform = compose(Settings(database_url=url), pool, client)
        app = create_app(platform, CodecServerSettings(origins=[UI], body_bytes_max=4096))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://codec.test") as http:
            yield Codec(pool, client, http)


async def in_the_clear(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return await DataConverter.default.decode(Parse(answer.text, Payloads()).payloads)


async def test_who_may_sees_what_temporal_keeps_and_it_is_kept_who_looked(codec: Codec) -> None:
    payloads = await codec.kept("cus_seen")
    clear = Payload(metadata={"encoding": b"json/plain"}, data=b'"as it was"')
    answer = await codec.decode([*payloads, clear], **await codec.key())
    assert await in_the_clear(answer) == [{"name": SECRET}, "as it was"]
    [kept, *_] = await decodes(codec.pool, limit=5)
    assert (kept.actor, kept.namespace, kept.owners) == (
        "key:ada",
        "default",
        ["customer:cus_seen"],
    )
    assert (kept.payloads, kept.unreadable) == (1, 0)
    row = await codec.pool.fetchval("SELECT json_agg(d)::text FROM payload_decodes AS d")
    assert SECRET not in row
    with pytest.raises(Exception, match="append-only"):
        await codec.pool.execute("DELETE FROM payload_decodes")


async def test_what_an_erased_customer_left_says_so_and_what_else_is_asked_is_answered(
    codec: Codec,
) -> None:
    gone, other = await codec.kept("cus_gone"), await codec.kept("cus_other")
    await codec.pool.execute(
        "UPDATE payload_keys SET retired_at = now(), wrapped = NULL"
        " WHERE owner = 'customer:cus_gone'"
    )
    unknown = Payload.FromString(other[0].SerializeToString())
    unknown.metadata["encryption-key-id"] = b"pky_elsewhere"
    answer = await codec.decode([*gone, *other, unknown], **await codec.key())
    erased, read, elsewhere = await in_the_clear(answer)
    assert "has been erased" in erased
    assert read == {"name": SECRET}
    assert "pky_elsewhere" in elsewhere
    [kept, *_] = await decodes(codec.pool, limit=1)
    assert kept.owners == ["customer:cus_gone", "customer:cus_other", "key:pky_elsewhere"]
    assert (kept.payloads, kept.unreadable) == (3, 2)


async def test_nobody_else_sees_anything_and_nothing_is_encoded(codec: Codec) -> None:
    payloads, before = await codec.kept("cus_kept"), await decodes(codec.pool, limit=100)
    for headers, status, code in [
        ({}, 401, "missing_api_key"),
        ({"Authorization": "Bearer perdure_x"}, 401, "invalid_api_key"),
        (await codec.key(Role.VIEWER), 403, "missing_scope"),
        (await codec.key(customer="cus_kept"), 403, "missing_scope"),
    ]:
        answer = await codec.decode(payloads, Origin=UI, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        # A page may read why.
        assert answer.headers["access-control-allow-origin"] == UI
    assert await decodes(codec.pool, limit=100) == before
    assert (await codec.http.post("/encode")).status_code == 404


async def test_a_body_that_is_none_or_too_large_is_refused(codec: Codec) -> None:
    key = await codec.key()
    for body, status in [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"payloads": 1}', 400),
        (b" " * 5000, 413),
    ]:
        assert (await codec.http.post("/decode", content=body, headers=key)).status_code == status


async def test_only_the_uis_own_pages_may_ask(codec: Codec) -> None:
    for origin, allowed in [(UI, UI), ("https://elsewhere.test", None)]:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
        }
        answer = await codec.http.options("/decode", headers=asked)
        assert answer.headers.get("access-control-allow-origin") == allowed


async def test_a_browser_that_signed_in_is_known_on_the_uis_pages_alone(codec: Codec) -> None:
    payloads, key = await codec.kept("cus_browser"), await codec.key()
    secret = key["Authorization"].removeprefix("Bearer ")
    assert "payloads:decode" in (await codec.http.get("/sign-in")).text
    viewer = (await codec.key(Role.VIEWER))["Authorization"].removeprefix("Bearer ")
    for wrong in ("perdure_x", viewer, ""):
        refused = await codec.http.post("/sign-in", data={"key": wrong})
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
    signed_in = await codec.http.post("/sign-in", data={"key": secret})
    told = signed_in.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= {*told.split("; ")}
    try:
        assert await in_the_clear(await codec.decode(payloads, Origin=UI)) == [{"name": SECRET}]
        for headers in ({}, {"Origin": "https://elsewhere.test"}):
            assert (await codec.decode(payloads, **headers)).status_code == 401
    finally:
        codec.http.cookies.clear()
