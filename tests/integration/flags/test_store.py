"""Flags are changed one after the other, and every change is on record."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.flags.model import Flag, Rule
from perdure.flags.store import FlagStore
from perdure.storage.pool import Pool

INFO = Rule("perdure", where={"tlds": ("info",)})
FR = Rule("perdure", kinds=("renewal",), where={"tlds": ("fr",)}, customers=("cus_1",), percent=20)


async def test_a_flag_is_found_as_it_was_stored(store: FlagStore, flag: Flag) -> None:
    assert flag.version == 1
    changed = await store.put(replace(flag, rules=(INFO, FR)), actor="ada", reason="first TLDs")
    assert changed == replace(flag, rules=(INFO, FR), version=2)
    assert await store.get(flag.key) == changed
    assert changed in await store.list_flags()


async def test_the_flag_of_renewals_comes_with_the_tables(store: FlagStore) -> None:
    flag = await store.get("renewals-engine")
    assert (flag.default_variant, set(flag.variants)) == ("perdure", {"legacy", "perdure"})
    first = (await store.history(flag.key))[-1]
    assert (first.version, first.actor, first.before) == (1, "system", None)


async def test_every_change_is_on_record(store: FlagStore, flag: Flag) -> None:
    with_rule = await store.put(replace(flag, rules=(INFO,)), actor="cli:ada", reason="first TLD")
    off = await store.put(replace(with_rule, enabled=False), actor="key:ops", reason="errors")
    newest, middle, first = await store.history(flag.key)
    assert (newest.version, newest.actor, newest.reason) == (3, "key:ops", "errors")
    assert (newest.before, newest.after) == (with_rule.content, off.content)
    assert (middle.version, middle.actor, middle.reason) == (2, "cli:ada", "first TLD")
    assert (middle.before, middle.after) == (flag.content, with_rule.content)
    assert (first.before, first.after) == (None, flag.content)
    assert newest.at > middle.at > first.at
    assert await store.history(flag.key, before_version=3, limit=1) == [middle]


async def test_the_record_of_changes_cannot_be_changed(pool: Pool, flag: Flag) -> None:
    for statement in (
        "UPDATE flag_changes SET actor = 'nobody' WHERE flag_key = $1",
        "DELETE FROM flag_changes WHERE flag_key = $1",
    ):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await pool.execute(statement, flag.key)


async def test_of_two_operators_the_second_is_told_of_the_first(
    store: FlagStore, flag: Flag
) -> None:
    await store.put(replace(flag, rules=(INFO,)), actor="cli:ada", reason="first TLD")
    with pytest.raises(Conflict) as caught:
        await store.put(replace(flag, enabled=False), actor="cli:bob", reason="errors")
    assert (caught.value.code, caught.value.param) == ("flag_changed", "version")
    assert "cli:ada" in caught.value.message
    assert "first TLD" in caught.value.message
    assert (await store.get(flag.key)).rules == (INFO,)
    assert len(await store.history(flag.key)) == 2


async def test_of_changes_at_the_same_moment_one_holds(store: FlagStore, flag: Flag) -> None:
    outcomes = await asyncio.gather(
        *(
            store.put(
                replace(flag, rules=(Rule("perdure", percent=percent),)),
                actor=f"cli:{percent}",
                reason="at once",
            )
            for percent in range(1, 11)
        ),
        return_exceptions=True,
    )
    (held,) = [outcome for outcome in outcomes if isinstance(outcome, Flag)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(lost) == 9
    assert await store.get(flag.key) == held
    newest = (await store.history(flag.key))[0]
    assert newest.actor == f"cli:{held.rules[0].percent}"


async def test_of_makers_at_the_same_moment_one_makes_it(store: FlagStore) -> None:
    key = f"made-{uuid4().hex[:12]}"
    outcomes = await asyncio.gather(
        *(
            store.put(Flag(key, ("a", f"v{number}"), "a"), actor="tests", reason="at once")
            for number in range(6)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Flag) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5
    assert len(await store.history(key)) == 1


async def test_a_change_sent_again_adds_nothing(store: FlagStore, flag: Flag) -> None:
    wanted = replace(flag, rules=(INFO,))
    changed = await store.put(wanted, actor="ada", reason="first TLD")
    assert await store.put(wanted, actor="ada", reason="first TLD") == changed
    assert len(await store.history(flag.key)) == 2


async def test_rules_are_stored_in_one_form(store: FlagStore, flag: Flag) -> None:
    written = Rule("perdure", where={"tlds": (".FR", "fr")}, customers=("cus_2", "cus_1"))
    stored = await store.put(replace(flag, rules=(written,)), actor="ada", reason="tidy")
    assert stored.rules == (Rule("perdure", where={"tlds": ("fr",)}, customers=("cus_1", "cus_2")),)


async def test_what_makes_no_sense_is_not_stored(store: FlagStore, flag: Flag) -> None:
    with pytest.raises(InvalidInput, match="0 to 100"):
        await store.put(replace(flag, rules=(Rule("perdure", percent=200),)), actor="a", reason="b")
    with pytest.raises(InvalidInput) as caught:
        await store.put(replace(flag, enabled=False), actor="a", reason=" ")
    assert caught.value.param == "reason"
    assert await store.get(flag.key) == flag


async def test_an_unknown_flag_suggests_the_nearest(store: FlagStore) -> None:
    for unknown in (store.get("renewal-engine"), store.history("renewal-engine")):
        with pytest.raises(NotFound, match="Did you mean renewals-engine") as caught:
            await unknown
        assert (caught.value.code, caught.value.param) == ("flag_not_found", "key")
    gone = Flag(f"gone-{uuid4().hex[:12]}", ("a",), "a", version=3)
    with pytest.raises(NotFound):
        await store.put(gone, actor="a", reason="b")
