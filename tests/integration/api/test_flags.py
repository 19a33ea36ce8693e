"""Flags over HTTP: set whole, at the version they were read at, by a key that trails name."""

from uuid import uuid4

import pytest

from .api_client import Api, Json, ok, refused

RULE = {"variant": "perdure", "tlds": ["info"], "percent": 10}


def flag_body(**changes: object) -> Json:
    return {
        "variants": ["legacy", "perdure"],
        "default_variant": "legacy",
        "version": 0,
        "reason": "It is needed.",
    } | changes


async def put(api: Api, path: str, **changes: object) -> Json:
    return ok(await api.http.put(path, json=flag_body(**changes), headers=api.headers()))


@pytest.fixture
async def path(api: Api) -> str:
    """The address of a flag of the test's own."""
    path = f"/v1/flags/engine-{uuid4().hex[:12]}"
    await put(api, path)
    return path


async def test_a_flag_is_set_and_found(api: Api, path: str) -> None:
    flag = await put(api, path, version=1, rules=[RULE])
    assert flag == {
        "object": "flag",
        "key": path.rpartition("/")[2],
        "enabled": True,
        "variants": ["legacy", "perdure"],
        "default_variant": "legacy",
        "rules": [RULE | {"kinds": [], "customers": [], "assets": [], "accounts": []}],
        "version": 2,
    }
    assert ok(await api.get(path)) == flag
    page = ok(await api.get("/v1/flags"))
    assert flag in page["data"]
    assert (page["object"], page["has_more"], page["url"]) == ("list", False, "/v1/flags")


async def test_changes_name_the_key_that_made_them(api: Api, path: str) -> None:
    await put(api, path, version=1, rules=[RULE], reason="first TLD")
    page = ok(await api.get(f"{path}/changes", limit=1))
    (change,) = page["data"]
    assert (change["version"], change["actor"], change["reason"]) == (2, "key:tests", "first TLD")
    assert (change["before"]["rules"], page["has_more"]) == ([], True)
    page = ok(await api.get(f"{path}/changes", starting_after=2))
    assert [change["version"] for change in page["data"]] == [1]
    assert page["data"][0]["before"] is None


async def test_a_change_made_meanwhile_is_not_overwritten(api: Api, path: str) -> None:
    await put(api, path, version=1, enabled=False, reason="errors")
    late = flag_body(version=1, rules=[RULE])
    answer = await api.http.put(path, json=late, headers=api.headers())
    assert "key:tests changed it (errors)" in refused(answer, 409, "flag_changed", "version")
    assert ok(await api.get(path))["enabled"] is False


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"rules": [RULE | {"percent": 101}]}, "invalid_percent", "rules.0.percent"),
        ({"rules": [RULE | {"percent": 1.5}]}, "invalid_input", "rules.0.percent"),
        ({"rules": [RULE | {"variant": "perdur"}]}, "unknown_variant", "rules.0.variant"),
        ({"rules": [RULE | {"tld": "info"}]}, "unknown_field", "rules.0.tld"),
        ({"rules": [RULE | {"tlds": ["in fo"]}]}, "invalid_flag", "rules.0.tlds"),
        ({"default_variant": "old"}, "unknown_variant", "default_variant"),
        ({"reason": ""}, "invalid_input", "reason"),
        ({"variants": []}, "invalid_flag", "variants"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: Api, path: str, changes: Json, code: str, param: str
) -> None:
    body = flag_body(version=1) | changes
    refused(await api.http.put(path, json=body, headers=api.headers()), 400, code, param)
    assert ok(await api.get(path))["version"] == 1


async def test_a_kinds_flag_is_asked_about_what_the_kind_declares_t7(api: Api) -> None:
    before = ok(await api.get("/v1/flags/trades-engine"))
    body = {name: before[name] for name in ("variants", "default_variant", "version")}
    rules = [{"variant": "perdure", "assets": ["GEM"]}, {"variant": "perdure", "tlds": ["info"]}]
    answer = await api.http.put(
        "/v1/flags/trades-engine",
        json=body | {"rules": rules, "reason": "a mistake"},
        headers=api.headers(),
    )
    said = refused(answer, 400, "invalid_flag", "rules.1.tlds")
    assert "may name kinds, assets, accounts, customers" in said
    assert ok(await api.get("/v1/flags/trades-engine")) == before


async def test_an_unknown_flag_suggests_the_nearest(api: Api) -> None:
    message = refused(await api.get("/v1/flags/renewal-engine"), 404, "flag_not_found", "key")
    assert "renewals-engine" in message
    refused(await api.get("/v1/flags/renewal-engine/changes"), 404, "flag_not_found", "key")
    body = flag_body(version=1)
    answer = await api.http.put("/v1/flags/never-made", json=body, headers=api.headers())
    refused(answer, 404, "flag_not_found", "key")
