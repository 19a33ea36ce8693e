"""Renewals between the old system and Perdure: each is done once, by whoever has it (R-9)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from perdure.core.errors import Conflict
from perdure.flags.model import Flag, Rule
from perdure.legacy import queue
from perdure.legacy.moving import move
from perdure.legacy.ways import legacy_ways
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import By, Operation
from perdure.providers.registry import RegistryDirectory
from perdure.renewals import verify
from perdure.renewals.contracts import RenewalRequest
from perdure.renewals.legacy.worker import LegacyRenewals
from perdure.storage.pool import transaction
from tests.integration.payments.town import Town
from tests.polls import eventually

from .renewals import (
    accept,
    domain,
    own_domain,
    registry_away,
    registry_of,
    request_for,
    standings,
)

FLAG = "renewals-engine"


@pytest.fixture
def legacy(town: Town) -> LegacyRenewals:
    """The old system's worker, which polls when a test says so."""
    registries = {tld: registry.client for tld, registry in town.registries.items()}
    return LegacyRenewals(town.platform.pool, town.platform.ledger, RegistryDirectory(registries))


@asynccontextmanager
async def old_system_renews(town: Town, *tlds: str) -> AsyncIterator[None]:
    """Have the flag send some TLDs to the old system, while the context is open."""
    before = await set_rules(town, (Rule("legacy", where={"tlds": tlds}),))
    try:
        yield
    finally:
        await set_rules(town, before.rules)


async def set_rules(town: Town, rules: tuple[Rule, ...]) -> Flag:
    """Change the flag's rules, and wait until this process goes by them; returns it as it was."""
    flags = town.platform.flags
    before = await flags.get(FLAG)
    await flags.put(replace(before, rules=rules), actor="tests", reason="a test")
    await town.platform.flag_provider.refresh()
    return before


async def until_ended(town: Town, legacy: LegacyRenewals, operation_id: str) -> Operation:
    """Have the old system poll until an operation has ended."""

    async def has_ended() -> Operation | None:
        await legacy.poll()
        operation = await town.platform.operations.get(operation_id)
        return operation if operation.is_finished else None

    return await eventually(has_ended, pause_s=0.1)


async def queued(town: Town, request: RenewalRequest) -> Operation:
    """Hand a renewal in, as the API does, that the old system takes."""
    operation = await accept(town, request)
    assert operation.lane == ELSEWHERE
    await town.platform.operations.begin(operation)
    return operation


async def test_the_flag_says_who_renews_and_nobody_sees_a_difference(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    async with old_system_renews(town, "info"):
        old_name = await own_domain(town, account, tld="info")
        new_name = await own_domain(town, account, tld="fr")
        old = await queued(town, request_for(account, old_name))
        new = await accept(town, request_for(account, new_name))
        await town.platform.operations.begin(new)
    ended = await until_ended(town, legacy, old.id), await town.end_of(new.id)

    assert [one.status for one in ended] == ["succeeded", "succeeded"]
    assert (ended[0].result or {}).keys() == (ended[1].result or {}).keys()
    for name in (old_name, new_name):
        assert await standings(town, name) == ["renewed"]
        assert (await domain(town, name)).renewing is None
    assert await verify.violations(town.platform.pool) == []


async def test_the_decision_is_kept_with_the_renewal(town: Town, legacy: LegacyRenewals) -> None:
    account = await town.account()
    name = await own_domain(town, account)
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, name))

    again = await accept(town, request_for(account, name))

    assert (again.id, again.lane) == (first.id, ELSEWHERE), "the flag moves nothing under way"
    route = await town.platform.pool.fetchrow(
        "SELECT engine, reason, flag_key FROM operation_routes WHERE operation_id = $1", first.id
    )
    assert route is not None
    assert tuple(route) == ("legacy", "TARGETING_MATCH", FLAG)
    assert (await until_ended(town, legacy, first.id)).status == "succeeded"
    assert await standings(town, name) == ["renewed"]


async def test_enqueued_by_both_paths_at_once_a_domain_is_renewed_once_r9(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    for _ in range(5):
        name = await own_domain(town, account)
        request = request_for(account, name)

        async def by_the_old_path(asked: RenewalRequest = request) -> Operation:
            async with old_system_renews(town, "info"):
                return await accept(town, asked)

        found = await asyncio.gather(by_the_old_path(), accept(town, request))
        assert len({one.id for one in found}) == 1
        await town.platform.operations.begin(found[0])
        if found[0].lane == ELSEWHERE:
            await until_ended(town, legacy, found[0].id)
        assert (await town.end_of(found[0].id)).status == "succeeded"
        assert await standings(town, name) == ["renewed"]


async def test_another_request_for_a_domain_the_old_system_has_is_refused(town: Town) -> None:
    account = await town.account()
    name = await own_domain(town, account)
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, name))

    with pytest.raises(Conflict, match=first.id) as caught:
        await accept(town, request_for(account, name, years=2))

    assert caught.value.code == "renewal_in_progress"


@pytest.mark.parametrize("token", ["cut", "error", "flaky", "busy"])
async def test_a_lost_answer_does_not_have_the_old_system_renew_twice(
    town: Town, legacy: LegacyRenewals, token: str
) -> None:
    account = await town.account()
    name = await own_domain(town, account, token)
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, name))

    ended = await until_ended(town, legacy, first.id)

    assert ended.status == "succeeded"
    assert await standings(town, name) == ["renewed"]


async def test_what_the_old_system_refuses_has_failed_and_is_free_again(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    name = await own_domain(town, account, "locked")
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, name))

    ended = await until_ended(town, legacy, first.id)

    assert ended.failure is not None
    assert (ended.status, ended.failure.code) == ("failed", "domain_locked")
    assert (await domain(town, name)).renewing is None
    assert (await town.balance(account)).available_minor == 100_000


async def test_a_cancel_reaches_what_waits_in_the_old_system(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    name = await own_domain(town, account)
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, name))
    await town.platform.operations.actions.cancel(first.id, By("tests", "Not any more."))

    assert (await until_ended(town, legacy, first.id)).status == "cancelled"
    assert await standings(town, name) == []
    assert await verify.violations(town.platform.pool) == []


async def test_what_the_old_system_has_is_not_parked_here(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    async with old_system_renews(town, "info"):
        first = await queued(town, request_for(account, await own_domain(town, account)))

    with pytest.raises(Conflict, match="move it here first"):
        await town.platform.operations.actions.park(first.id, By("tests", "Wait."))

    assert (await until_ended(town, legacy, first.id)).status == "succeeded"


async def test_the_old_system_is_drained_by_moving_what_waits(
    town: Town, legacy: LegacyRenewals
) -> None:
    account = await town.account()
    async with old_system_renews(town, "fr"):
        names = [await own_domain(town, account, tld="fr") for _ in range(4)]
        waiting = [await queued(town, request_for(account, name)) for name in names]
    async with registry_away(registry_of(town, names[0]), "unavailable"):
        # It has tried this one, so it may have renewed it: it stays where it is.
        await town.platform.pool.execute(
            "UPDATE legacy_operations"
            " SET reconciliation_next_run_time = now() + interval '1 hour'"
            " WHERE operation_id = ANY($1)",
            [one.id for one in waiting[1:]],
        )
        await legacy.poll()
    (backlog,) = await queue.backlogs(town.platform.pool)
    assert (backlog.part, backlog.queued, backlog.failing) == ("registry-fr", 4, 1)

    async with transaction(town.platform.pool) as connection:
        moved = await move(
            connection,
            legacy_ways(),
            "registry-fr",
            actor="tests",
            reason="The new system is here.",
            limit=100,
        )
    for one in moved:
        await town.platform.operations.launch(one)

    assert {one.id for one in moved} == {one.id for one in waiting[1:]}
    for one in moved:
        assert (await town.end_of(one.id)).status == "succeeded"
    await town.platform.pool.execute(
        "UPDATE legacy_operations SET reconciliation_next_run_time = now()"
    )
    assert (await until_ended(town, legacy, waiting[0].id)).status == "succeeded"
    assert await queue.backlogs(town.platform.pool) == []
    assert [await standings(town, name) for name in names] == [["renewed"]] * 4
    assert await verify.violations(town.platform.pool) == []
