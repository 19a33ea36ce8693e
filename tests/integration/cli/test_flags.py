"""`perdure flags`, as a shell runs it."""

from uuid import uuid4

import pytest

from .shell import Shell


@pytest.fixture
def key(shell: Shell) -> str:
    """A flag of the test's own."""
    key = f"engine-{uuid4().hex[:12]}"
    variants = ("--variant", "legacy", "--variant", "perdure")
    shell.json("flags", "create", key, *variants, "--default", "legacy", "--reason", "new")
    return key


async def test_one_top_level_domain_after_the_other_moves_r9(shell: Shell, key: str) -> None:
    to_perdure = ("flags", "set", key, "--variant", "perdure")
    shell.json(*to_perdure, "--tld", ".info", "--percent", "10", "--reason", "first TLD")
    shell.json(*to_perdure, "--tld", "info", "--reason", "all is well")
    flag = shell.json(*to_perdure, "--tld", "fr", "--percent", "0", "--reason", "the next")
    assert [(rule["tlds"], rule["percent"]) for rule in flag["rules"]] == [
        (["info"], 100),
        (["fr"], 0),
    ]
    shown = shell.run("flags", "show", key).stdout
    assert "info" in shown
    assert "any" in shown

    here = ("flags", "test", key, "--customer", "cus_1", "--tld")
    told = shell.run(*here, "info").stdout
    assert "TARGETING_MATCH" in told
    assert "1: tlds info" in told
    found = shell.json(*here, "fr")
    assert (found["variant"], found["reason"], found["rule"]) == ("legacy", "DEFAULT", None)
    assert 0 <= found["customer_percentile"] < 100
    assert shell.json("flags", "disable", key, "--reason", "errors")["enabled"] is False
    assert shell.json("flags", "enable", key, "--reason", "mended")["enabled"] is True
    left = shell.json("flags", "remove", key, "--rule", "1", "--reason", "back")
    assert [rule["tlds"] for rule in left["rules"]] == [["fr"]]
    of_asset = ("--asset", "GEM", "--account", "acc_1", "--reason", "a flag of no kind's")
    assert shell.json(*to_perdure, *of_asset)["rules"][1]["accounts"] == ["acc_1"]
    in_it = ("--asset", "GEM", "--account", "acc_2", "--account", "acc_1")
    assert shell.json("flags", "test", key, *in_it)["rule"] == 2
    assert shell.json("flags", "test", key, *in_it[:-2])["rule"] is None
    changed = shell.json(*to_perdure, "--rule", "1", "--customer", "cus_1", "--reason", "one first")
    assert [rule["customers"] for rule in changed["rules"]] == [["cus_1"], []]

    history = shell.json("flags", "history", key)["data"]
    assert [change["reason"] for change in history] == [
        "one first",
        "a flag of no kind's",
        "back",
        "mended",
        "errors",
        "the next",
        "all is well",
        "first TLD",
        "new",
    ]
    assert {change["actor"] for change in history} == {"key:tests"}
    assert key in shell.run("flags", "list").stdout


async def test_what_is_wrong_names_the_field_and_the_fix(shell: Shell, key: str) -> None:
    why = ("--reason", "x")
    for arguments, status, says in (
        (("set", "renewal-engine", "--variant", "perdure"), 1, "Did you mean renewals-engine?"),
        (("set", key, "--variant", "perdur"), 1, "Did you mean perdure?"),
        (("set", key, "--variant", "perdure", "--percent", "101"), 2, "--percent"),
        (("remove", key, "--rule", "7"), 1, "has no rule 7"),
        (("create", key, "--variant", "a", "--default", "a"), 1, "is at version 1 now"),
    ):
        done = shell.run("flags", *arguments, *why)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        assert says in done.stderr
    assert shell.json("flags", "show", key)["version"] == 1


async def test_a_share_of_customers_is_tested_for_a_customer(shell: Shell, key: str) -> None:
    share = ("--variant", "perdure", "--percent", "50", "--reason", "half")
    shell.json("flags", "set", key, *share)
    done = shell.run("flags", "test", key, "--tld", "fr")
    assert done.returncode == 1
    assert "give the customer" in done.stderr
