"""A bank that answers something else than it was asked: no success, no second payout, a way out."""

from contextlib import suppress

import pytest

from perdure.capability import books
from perdure.core.errors import Conflict
from perdure.operations.model import By
from tests.integration.payments.town import Town
from tests.polls import eventually

from .transfers import bank_misbehaves, ended, payouts, transfer

LIES = {
    "other_amount": "amount_minor 100000 instead of 1000",
    "other_currency": "currency 'JPY' instead of 'USD'",
    "other_reference": "-other' instead of",
    "unknown_status": "status 'requires_action', which is none of",
}


async def parked(town: Town, lie: str, lane: int | None) -> tuple[str, dict[str, str]]:
    """Return a transfer that the bank does otherwise, once it is parked, and its account."""
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, lane=lane, destination=f"dest_{lie}")
    operation = await town.until(found, {"needs_attention", "succeeded", "failed"})
    code = "provider_status_unknown" if lie == "unknown_status" else "provider_disagrees"
    assert ended(operation) == ("needs_attention", code)
    assert operation.failure is not None
    assert LIES[lie] in operation.failure.message
    assert (await town.balance(account)).available_minor == 4_000
    made = (await town.bank.get("/v1/payouts", params={"limit": 1000})).json()["data"]
    assert sum(one["reference"].startswith(found) for one in made) == 1
    return found, account


async def cancel(town: Town, transfer_id: str) -> None:
    await town.platform.operations.cancel(transfer_id, actor="ada", reason="Not what I asked for.")


@pytest.mark.parametrize("lane", [None, 6])
@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "other_reference"])
async def test_a_payout_that_differs_parks_the_transfer_and_is_recalled_as_it_is(
    town: Town, lie: str, lane: int | None
) -> None:
    found, account = await parked(town, lie, lane)
    await cancel(town, found)
    assert ended(await town.end_of(found)) == ("cancelled", "cancelled")
    assert await payouts(town, found) == ["recalled"]
    assert (await town.balance(account)).available_minor == 5_000


@pytest.mark.parametrize("lane", [None, 6])
async def test_a_payout_under_another_reference_is_a_persons_to_see_to(
    quiet_town: Town, lane: int | None
) -> None:
    town = quiet_town
    found, account = await parked(town, "other_reference", lane)
    await cancel(town, found)

    async def is_told_what_to_do() -> bool:
        trail = await town.platform.operations.trail(found)
        return any((entry.reason or "").endswith("go on once none is left.") for entry in trail)

    await eventually(is_told_what_to_do)
    stray = {"reference": f"{found}-other"}
    (await town.bank.post("/v1/payouts/recall", json=stray)).raise_for_status()

    async def goes_on() -> bool:
        # Who called it off may be having it asked once more.
        with suppress(Conflict):
            await town.platform.operations.actions.relaunch(found, By("ada", "It is recalled."))
            return True
        return False

    await eventually(goes_on)
    assert ended(await town.end_of(found)) == ("cancelled", "cancelled")
    assert (await town.balance(account)).available_minor == 5_000
    left = await books.violations(town.platform.pool, {"bank": town.books["bank"]})
    named = {one.name for one in left if one.subject_ids == (stray["reference"],)}
    assert named == {"payouts_have_a_transfer"}


@pytest.mark.parametrize("kind", ["in_use", *LIES])
async def test_a_bank_whose_books_are_right_is_asked_and_the_transfer_succeeds(
    town: Town, kind: str
) -> None:
    async with bank_misbehaves(town, kind):
        found = await transfer(town, await town.account())
        assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await payouts(town, found) == ["paid"]
