"""`/v1/limits`: set, shown, changed and removed while everything runs (R-5)."""

import pytest

from perdure.api.keys import create_key
from perdure.bootstrap import Platform
from perdure.storage.pool import Pool

from .api_client import Api, ok, refused
from .conftest import api_on

BANK = "/v1/limits/bank"


async def test_a_limit_is_set_shown_changed_and_removed(api: Api) -> None:
    body = {"per_second": 20, "at_once": 10, "reason": "their contract"}
    first = ok(await api.put(BANK, body))
    assert (first["before"], first["after"]) == (None, {"per_second": 20, "at_once": 10})
    (shown,) = [one for one in ok(await api.get("/v1/limits"))["data"] if one["provider"] == "bank"]
    assert (shown["per_second"], shown["at_once"], shown["state"]) == (20, 10, "open")

    ok(await api.put(BANK, {"per_second": 0.5, "reason": "the 1st of the month"}))
    ok(await api.post(f"{BANK}/remove", {"reason": "no limit any more"}))

    # Others of this database's have set it before.
    changes = ok(await api.get(f"{BANK}/changes"))["data"]
    assert [change["reason"] for change in changes[:3]] == [
        "no limit any more",
        "the 1st of the month",
        "their contract",
    ]
    assert changes[0]["actor"].startswith("key:")
    (shown,) = [one for one in ok(await api.get("/v1/limits"))["data"] if one["provider"] == "bank"]
    assert (shown["per_second"], shown["at_once"], shown["calls"]) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"reason": "why not"}, "limit_missing", "per_second"),
        ({"per_second": 0, "reason": "stop"}, "invalid_rate", "per_second"),
        ({"per_second": "many", "reason": "more"}, "invalid_input", "per_second"),
        ({"at_once": 0, "reason": "stop"}, "invalid_concurrency", "at_once"),
        ({"at_once": 2.5, "reason": "some"}, "invalid_input", "at_once"),
        ({"at_once": 5}, "missing_field", "reason"),
    ],
)
async def test_a_limit_that_cannot_be_kept_is_refused(
    api: Api, body: dict[str, object], code: str, param: str
) -> None:
    refused(await api.put(BANK, body), 400, code, param)

    (shown,) = [one for one in ok(await api.get("/v1/limits"))["data"] if one["provider"] == "bank"]
    assert (shown["per_second"], shown["at_once"]) == (None, None)


async def test_a_provider_that_nobody_calls_has_no_limit(api: Api) -> None:
    message = refused(
        await api.put("/v1/limits/registry-rf", {"at_once": 5, "reason": "x"}),
        404,
        "provider_not_found",
        "provider",
    )

    assert "registry-fr" in message
    assert refused(
        await api.post(f"{BANK}/remove", {"reason": "x"}), 404, "limit_not_found", "provider"
    )


async def test_limits_are_the_houses(platform: Platform, pool: Pool) -> None:
    _, reader = await create_key(pool, "limits-reader", ["limits:read"])
    async with api_on(platform, reader) as api:
        ok(await api.get("/v1/limits"))
        refused(await api.put(BANK, {"at_once": 5, "reason": "x"}), 403, "missing_scope")
