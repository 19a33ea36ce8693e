"""A registry that is away, saturated, or does not answer in time."""

import pytest

from perdure.capability import books
from perdure.renewals.acceptance import RenewalAcceptance
from tests.integration.payments.town import Town
from tests.outages import impatient
from tests.polls import eventually

from .renewals import (
    PRICE_MINOR,
    actions,
    domain,
    ended,
    own_domain,
    registry_away,
    registry_misbehaves,
    renew,
    request_for,
    standings,
)

GEARS = [False, True]


@pytest.mark.parametrize("bulk", GEARS)
@pytest.mark.parametrize("kind", ["unavailable_before", "rate_limited"])
async def test_a_saturated_registry_parks_a_renewal_that_is_resumed_later_r1(
    town: Town, kind: str, bulk: bool
) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account)
    with impatient(town.platform, "renew"):
        async with registry_misbehaves(town.registries["info"], kind):
            found = await renew(town, request_for(account, name), bulk=bulk)
            parked = await town.until(found, {"needs_attention"}, within_s=120)
    assert ended(parked) == ("needs_attention", "registry_unavailable")
    assert parked.failure is not None
    assert parked.failure.step == "renewal.renew"
    assert await standings(town, name) == []
    assert (await domain(town, name)).renewing == found
    held = await town.balance(account)
    assert (held.posted_minor, held.available_minor) == (5_000, 5_000 - PRICE_MINOR["info"])
    await town.platform.operations.resume(found, actor="ada", reason="It is back.")
    assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await standings(town, name) == ["renewed"]
    assert (await town.balance(account)).posted_minor == 5_000 - PRICE_MINOR["info"]


async def test_a_registry_nobody_reaches_parks_a_renewal_that_is_cancelled_r1(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account, tld="fr")
    async with registry_away(town.registries["fr"], "cut"):
        found = await renew(town, request_for(account, name))
        with impatient(town.platform, "check_domain"):
            await town.until(found, {"needs_attention"}, within_s=120)
        answer = await town.platform.operations.cancel(found, actor="ada", reason="No longer.")
        assert answer.accepted
        assert ended(await town.end_of(found)) == ("cancelled", "cancelled")
    assert await standings(town, name) == []
    assert (await domain(town, name)).renewing is None
    assert (await town.balance(account)).available_minor == 5_000


async def test_one_registry_that_is_away_holds_up_no_other_r1(town: Town) -> None:
    account = await town.account(funds_minor=50_000)
    away = [await own_domain(town, account) for _ in range(3)]
    here = [await own_domain(town, account, tld="fr") for _ in range(3)]
    async with registry_away(town.registries["info"], "unavailable"):
        waiting = [await renew(town, request_for(account, name), bulk=True) for name in away]
        going = [await renew(town, request_for(account, name), bulk=True) for name in here]
        for found in going:
            assert ended(await town.end_of(found)) == ("succeeded", None)
        for found in waiting:
            assert not (await town.platform.operations.get(found)).is_finished
    for found in waiting:
        assert ended(await town.end_of(found, within_s=120)) == ("succeeded", None)
        assert "parked" not in await actions(town, found)


async def test_the_lanes_of_registries_are_apart(town: Town) -> None:
    account = await town.account()
    lanes = {
        tld: town.platform.kinds.own(RenewalAcceptance).lane_for(
            request_for(account, f"example.{tld}")
        )
        for tld in ("fr", "info")
    }
    count = town.platform.settings.lanes
    assert [lanes["fr"] // count, lanes["info"] // count] == [0, 1]


async def until_renewed(town: Town, name: str) -> None:
    """Wait until the registry has renewed; whoever asked it still waits for the answer."""
    await eventually(lambda: standings(town, name))


@pytest.mark.parametrize("bulk", GEARS)
async def test_a_renewal_that_is_not_refundable_stands_and_is_paid_for_r1(
    town: Town, bulk: bool
) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account, "timeout", tld="fr")
    before = await domain(town, name)
    found = await renew(town, request_for(account, name), bulk=bulk)
    await until_renewed(town, name)
    assert (
        await town.platform.operations.cancel(found, actor="ada", reason="Wrong domain.")
    ).accepted
    operation = await town.end_of(found)
    assert ended(operation) == ("succeeded", None)
    assert await standings(town, name) == ["renewed"]
    after = await domain(town, name)
    assert (after.expires_on.year, after.renewing) == (before.expires_on.year + 1, None)
    assert (await town.balance(account)).available_minor == 5_000 - PRICE_MINOR["fr"]
    (stood,) = [
        entry
        for entry in await town.platform.operations.trail(found)
        if entry.action == "left_standing"
    ]
    assert stood.reason is not None
    assert stood.reason.startswith("Wrong domain. It is not undone: ")
    message = await town.platform.pool.fetchval(
        "SELECT body FROM notifications WHERE operation_id = $1", found
    )
    assert "could no longer be undone" in message


async def test_what_all_of_them_left_breaks_no_invariant_r1(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    found = await renew(town, request_for(account, await own_domain(town, account)))
    await town.end_of(found)
    left = await books.violations(town.platform.pool, {"registry": town.books["registry"]})
    # What a registry filed under another reference is nobody's: see test_answers.
    assert [one for one in left if not one.subject_ids[0].endswith("-other")] == []
    checked = books.invariants(["registry"])
    assert {"renewed_domains_have_their_date", "succeeded_renewed_once"} <= set(checked)
