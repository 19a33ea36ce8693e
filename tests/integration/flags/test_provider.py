"""Flags through the OpenFeature client, over a real table."""

from dataclasses import replace
from itertools import count

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from perdure.capability.engine_flags import flag_attributes
from perdure.flags.model import Flag, Rule
from perdure.flags.provider import StoredFlagProvider
from perdure.flags.routing import Decision, EngineRouting, EngineVariant, client_of
from perdure.flags.rules import BUCKETS, bucket
from perdure.flags.store import FlagStore
from perdure.storage.pool import open_pool
from tests.polls import eventually
from tests.servers import migrated_database

CUSTOMER = EvaluationContext("cus_1", {"kind": "renewal", "tld": "info"})


def given_by(client: OpenFeatureClient, flag: Flag) -> str:
    return client.get_string_value(flag.key, "none", CUSTOMER)


async def test_a_flag_is_evaluated_with_its_reason_r9(store: FlagStore, flag: Flag) -> None:
    # Somebody who is in a share that is not everybody's.
    customer = next(it for n in count() if bucket(flag.key, it := f"cus_{n}") < BUCKETS - 100)
    inside = bucket(flag.key, customer) // 100 + 1
    wanted = (
        Rule("legacy", customers=("cus_careful",)),
        Rule("perdure", where={"tlds": ("info",)}),
        Rule("perdure", where={"tlds": ("fr",)}, percent=inside),
    )
    await store.put(replace(flag, rules=wanted), actor="ada", reason="first TLD")
    provider = StoredFlagProvider(store)
    client = client_of(provider)
    async with provider.refreshing():
        found = await client.get_string_details_async(flag.key, "none", CUSTOMER)
        assert (found.value, found.variant) == ("perdure", "perdure")
        assert (found.reason, found.flag_metadata) == (
            Reason.TARGETING_MATCH,
            {"version": 2, "rule": 2},
        )
        in_share = EvaluationContext(customer, {"tld": "fr"})
        found = await client.get_string_details_async(flag.key, "none", in_share)
        assert (found.value, found.reason) == ("perdure", Reason.SPLIT)
        elsewhere = EvaluationContext("cus_1", {"tld": "com"})
        found = await client.get_string_details_async(flag.key, "none", elsewhere)
        assert (found.value, found.reason) == ("legacy", Reason.DEFAULT)
        assert found.flag_metadata == {"version": 2}


async def test_a_change_shows_in_every_other_process(store: FlagStore, flag: Flag) -> None:
    providers = [StoredFlagProvider(store, interval_s=0.05) for _ in range(2)]
    clients = [client_of(provider) for provider in providers]
    async with providers[0].refreshing(), providers[1].refreshing():
        assert [given_by(client, flag) for client in clients] == ["legacy", "legacy"]
        on = await store.put(replace(flag, rules=(Rule("perdure"),)), actor="ada", reason="go")
        await eventually(lambda: [given_by(it, flag) for it in clients] == ["perdure"] * 2)
        await store.put(replace(on, enabled=False), actor="ada", reason="stop")
        await eventually(lambda: [given_by(it, flag) for it in clients] == ["legacy"] * 2)


async def test_what_cannot_be_evaluated_gives_the_callers_default(
    store: FlagStore, flag: Flag
) -> None:
    await store.put(replace(flag, rules=(Rule("perdure", percent=50),)), actor="a", reason="b")
    provider = StoredFlagProvider(store)
    client = client_of(provider)
    early = await client.get_string_details_async(flag.key, "safe", CUSTOMER)
    assert (early.value, early.reason) == ("safe", Reason.ERROR)
    assert early.error_code is ErrorCode.PROVIDER_NOT_READY
    async with provider.refreshing():
        unknown = await client.get_string_details_async(flag.key[:-1], "safe", CUSTOMER)
        assert (unknown.value, unknown.error_code) == ("safe", ErrorCode.FLAG_NOT_FOUND)
        assert f"Did you mean {flag.key}?" in str(unknown.error_message)
        nobody = await client.get_string_details_async(flag.key, "safe")
        assert (nobody.value, nobody.error_code) == ("safe", ErrorCode.TARGETING_KEY_MISSING)
        boolean = await client.get_boolean_details_async(flag.key, False, CUSTOMER)
        assert (boolean.value, boolean.error_code) == (False, ErrorCode.TYPE_MISMATCH)


async def test_while_the_database_is_away_what_was_read_last_counts(
    store: FlagStore, flag: Flag, database_url: str
) -> None:
    await store.put(replace(flag, rules=(Rule("perdure"),)), actor="ada", reason="go")
    async with open_pool(database_url, size=2) as own:
        provider = StoredFlagProvider(FlagStore(own, flag_attributes()), interval_s=0.05)
        client = client_of(provider)
        async with provider.refreshing():
            assert client.get_provider_status() is ProviderStatus.READY
            own.terminate()
            await eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
            found = await client.get_string_details_async(flag.key, "none", CUSTOMER)
            assert (found.value, found.reason) == ("perdure", Reason.TARGETING_MATCH)


async def test_a_process_starts_while_the_database_is_away(database_url: str, flag: Flag) -> None:
    async with open_pool(database_url, size=2) as own:
        own.terminate()
        provider = StoredFlagProvider(FlagStore(own, flag_attributes()))
        client = client_of(provider)
        async with provider.refreshing():
            found = await client.get_string_details_async(flag.key, "safe", CUSTOMER)
            assert (found.value, found.reason) == ("safe", Reason.ERROR)


async def test_a_rule_of_a_later_version_is_not_half_understood(
    postgres_url: str,
) -> None:
    # A database of its own: no other test is to read this row.
    async with migrated_database(postgres_url) as url, open_pool(url, size=2) as own:
        provider = StoredFlagProvider(FlagStore(own, flag_attributes()))
        client = client_of(provider)
        await provider.refresh()
        rules = [Rule("legacy").content | {"registrars": ["one"]}]
        await own.execute("UPDATE flags SET rules = $1, version = 2", rules)
        await provider.refresh()
        assert client.get_string_value("renewals-engine", "none", CUSTOMER) == "perdure"
        assert client.get_provider_status() is ProviderStatus.STALE
        await own.execute("UPDATE flags SET rules = $1, version = 3", [Rule("legacy").content])
        await provider.refresh()
        assert client.get_string_value("renewals-engine", "none", CUSTOMER) == "legacy"
        assert client.get_provider_status() is ProviderStatus.READY


async def test_a_decision_can_be_kept_with_what_is_accepted_r9(
    store: FlagStore, flag: Flag
) -> None:
    provider = StoredFlagProvider(store)
    routing = EngineRouting(client_of(provider), {"renewal": flag.key})
    early = await routing.decide("renewal", "cus_1", {"tld": "info"})
    assert early == Decision(EngineVariant.LEGACY, "ERROR", flag.key, None)
    async with provider.refreshing():
        before = await routing.decide("renewal", "cus_1", {"tld": "info"})
        assert before == Decision(EngineVariant.LEGACY, "DEFAULT", flag.key, 1)
        rules = (Rule("perdure", kinds=("renewal",), where={"tlds": ("info",)}),)
        await store.put(replace(flag, rules=rules), actor="ada", reason="first TLD")
        await provider.refresh()
        decision = await routing.decide("renewal", "cus_1", {"tld": "info"})
        assert decision == Decision(EngineVariant.PERDURE, "TARGETING_MATCH", flag.key, 2)
        assert decision.as_metadata() == {
            "engine": "perdure",
            "engine_reason": "TARGETING_MATCH",
            "engine_flag": flag.key,
            "engine_flag_version": "2",
        }
        assert (
            await routing.decide("renewal", "cus_1", {"tld": "fr"})
        ).variant is EngineVariant.LEGACY
        assert (await routing.decide("renewal", "cus_1")).variant is EngineVariant.LEGACY


async def test_a_kind_without_a_flag_is_ours_and_a_flag_of_other_variants_is_not(
    store: FlagStore, flag: Flag
) -> None:
    provider = StoredFlagProvider(store)
    routing = EngineRouting(client_of(provider), {"renewal": flag.key})
    other = replace(flag, variants=("blue",), default_variant="blue")
    await store.put(other, actor="ada", reason="a mistake")
    async with provider.refreshing():
        ours = await routing.decide("payment", "cus_1")
        assert ours == Decision(EngineVariant.PERDURE, "STATIC", None, None)
        mistaken = await routing.decide("renewal", "cus_1")
        assert mistaken == Decision(EngineVariant.LEGACY, "ERROR", flag.key, None)
