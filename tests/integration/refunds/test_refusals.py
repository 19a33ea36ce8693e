"""A provider that does not give back, or cannot be had: nothing is moved until it has."""

import pytest

from perdure.core.errors import Conflict, Refused
from perdure.ledger.model import AccountStatus
from perdure.operations.model import By
from perdure.storage.pool import transaction
from tests.integration.payments.town import Town
from tests.integration.renewals.renewals import (
    PRICE_MINOR,
    domain,
    ended,
    own_domain,
    renew,
    request_for,
    standings,
)
from tests.integration.transfers.transfers import payouts, transfer
from tests.outages import impatient

from .refunds import (
    ADA,
    FUNDS_MINOR,
    KINDS,
    Done,
    broken,
    check_balance,
    done,
    misbehaves,
    refund,
    told,
)


async def test_a_registrys_no_is_the_last_word_r3(town: Town) -> None:
    account = await town.account()
    name = await own_domain(town, account, tld="fr")
    renewal_id = await renew(town, request_for(account, name))
    await town.end_of(renewal_id)
    renewed = await domain(town, name)
    asked = await refund(town, renewal_id)
    operation = await town.end_of(asked.id)
    assert ended(operation) == ("failed", "not_refundable")
    assert await standings(town, name) == ["renewed"]
    assert await domain(town, name) == renewed
    balance = await town.balance(account)
    assert balance.posted_minor == FUNDS_MINOR - PRICE_MINOR["fr"]
    assert operation.failure is not None
    assert await told(town, renewal_id) == [
        ("refund_requested", ADA.reason, asked.id),
        ("refund_failed", operation.failure.message, asked.id),
    ]
    with pytest.raises(Conflict, match="takes no renewal back") as refusal:
        await refund(town, renewal_id)
    assert refusal.value.code == "not_refundable"
    with pytest.raises(Conflict) as refusal:
        await town.platform.operations.actions.relaunch(asked.id, ADA)
    assert refusal.value.code == "not_refundable"
    shown = (await town.api.get(f"/v1/operations/{renewal_id}")).json()
    assert (shown["status"], shown["refunded_by"]) == ("succeeded", None)
    assert shown["next_actions"] == []
    assert await broken(town, renewal_id, asked.id) == set()


async def test_a_payout_that_is_not_recallable_stays_paid(town: Town) -> None:
    account = await town.account()
    transfer_id = await transfer(town, account, destination="dest_not_recallable")
    await town.end_of(transfer_id)
    asked = await refund(town, transfer_id)
    assert ended(await town.end_of(asked.id)) == ("failed", "payout_not_recallable")
    assert await payouts(town, transfer_id) == ["paid"]
    assert (await town.balance(account)).posted_minor == FUNDS_MINOR - 1_000
    answer = await town.api.post(f"/v1/transfers/{transfer_id}/cancel", json={"reason": "No."})
    assert "It cannot be refunded: The money cannot be taken back." in answer.text
    assert await broken(town, transfer_id, asked.id) == set()


async def test_a_no_that_can_change_may_be_asked_again(town: Town) -> None:
    found = await done(town, "payment")
    dispute = f"/control/charges/{found.id}/dispute"
    (await town.gateway.put(dispute, json={"status": "open"})).raise_for_status()
    first = await refund(town, found.id)
    assert ended(await town.end_of(first.id)) == ("failed", "charge_disputed")
    await check_balance(town, found, FUNDS_MINOR - found.amount_minor)
    second = await refund(town, found.id)
    assert second.id != first.id
    assert ended(await town.end_of(second.id)) == ("failed", "charge_disputed")
    (await town.gateway.put(dispute, json={"status": "won"})).raise_for_status()
    relaunched = await town.platform.operations.actions.relaunch(second.id, ADA)
    assert (relaunched.is_new, relaunched.operation.refund_of) == (True, found.id)
    assert ended(await town.end_of(relaunched.operation.id)) == ("succeeded", None)
    assert [action for action, _, _ in await told(town, found.id)] == [
        "refund_requested",
        "refund_failed",
        "refund_requested",
        "refund_failed",
        "refund_requested",
        "refunded",
    ]
    assert await broken(town, found.id) == set()


@pytest.mark.parametrize(("by_hand_minor", "calls"), [(400, 2), (1_500, 1)])
async def test_what_was_given_back_at_the_gateways_desk_is_not_given_back_again(
    town: Town, by_hand_minor: int, calls: int
) -> None:
    found = await done(town, "payment")
    path = f"/control/charges/{found.id}/refund"
    (await town.gateway.post(path, json={"amount_minor": by_hand_minor})).raise_for_status()
    assert await broken(town, found.id) == {"succeeded_charged_once"}
    asked = await refund(town, found.id)
    operation = await town.end_of(asked.id)
    assert ended(operation) == ("succeeded", None)
    assert operation.result is not None
    assert operation.result["amount_minor"] == found.amount_minor
    assert operation.result["given_back_before_minor"] == str(by_hand_minor)
    assert ("gateway_refund_id" in operation.result) == (calls == 2)
    assert await KINDS["payment"].given_back(town, found) == calls
    await check_balance(town, found, FUNDS_MINOR)
    assert await broken(town, found.id, asked.id) == set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_is_away_parks_a_refund_that_is_relaunched_later(
    town: Town, kind: str
) -> None:
    found = await done(town, kind)
    async with misbehaves(KINDS[kind].provider(town), "unavailable_before"):
        asked = await refund(town, found.id)
        with impatient(town.platform, "give_back"):
            parked = await town.until(asked.id, {"needs_attention"}, within_s=120)
        assert ended(parked) == ("needs_attention", "provider_unavailable")
        assert await KINDS[kind].given_back(town, found) == 0
        await check_balance(town, found, FUNDS_MINOR - found.amount_minor)
    assert (await refund(town, found.id)).id == asked.id
    done_again = await town.platform.operations.actions.relaunch(asked.id, ADA)
    assert not done_again.is_new
    assert ended(await town.end_of(asked.id)) == ("succeeded", None)
    assert await KINDS[kind].given_back(town, found) == 1
    await check_balance(town, found, FUNDS_MINOR)
    assert await broken(town, found.id, asked.id) == set()


async def test_a_refund_that_is_called_off_frees_the_place_for_another(town: Town) -> None:
    found = await done(town, "renewal")
    async with misbehaves(KINDS["renewal"].provider(town), "unavailable_before"):
        first = await refund(town, found.id)
        with impatient(town.platform, "give_back"):
            await town.until(first.id, {"needs_attention"}, within_s=120)
        await town.platform.operations.actions.cancel(first.id, By("bob", "It is wanted."))
        assert ended(await town.end_of(first.id)) == ("cancelled", "cancelled")
    assert (await domain(town, found.domain)).renewing is None
    await check_balance(town, found, FUNDS_MINOR - found.amount_minor)
    assert [action for action, _, _ in await told(town, found.id)] == [
        "refund_requested",
        "refund_cancelled",
    ]
    second = await refund(town, found.id)
    assert ended(await town.end_of(second.id)) == ("succeeded", None)
    await check_balance(town, found, FUNDS_MINOR)
    with pytest.raises(Conflict) as refusal:
        await town.platform.operations.actions.relaunch(first.id, ADA)
    assert refusal.value.code == "already_refunded"
    assert await broken(town, found.id, first.id, second.id) == set()


async def _set_status(town: Town, found: Done, status: AccountStatus) -> None:
    async with transaction(town.platform.pool) as connection:
        await town.platform.ledger.set_account_status(
            connection, found.account["account_id"], status
        )


async def test_an_account_that_takes_no_money_is_not_refunded_to(town: Town) -> None:
    found = await done(town, "payment")
    await _set_status(town, found, AccountStatus.FROZEN)
    with pytest.raises(Refused) as refusal:
        await refund(town, found.id)
    assert refusal.value.code == "account_not_open"
    assert await KINDS["payment"].given_back(town, found) == 0
    assert (await town.platform.operations.get(found.id)).refunded_by is None


async def test_an_account_frozen_meanwhile_gets_what_was_given_back_once_it_is_open(
    town: Town,
) -> None:
    found = await done(town, "payment")
    async with misbehaves(town.gateway, "unavailable_after"):
        asked = await refund(town, found.id)
        await town.until(asked.id, {"unknown"})
        await _set_status(town, found, AccountStatus.FROZEN)
    parked = await town.until(asked.id, {"needs_attention"}, within_s=60)
    assert ended(parked) == ("needs_attention", "account_not_open")
    # The gateway has given it back, so it is not called off any more.
    await _set_status(town, found, AccountStatus.OPEN)
    await town.platform.operations.actions.relaunch(asked.id, ADA)
    assert ended(await town.end_of(asked.id)) == ("succeeded", None)
    assert await KINDS["payment"].given_back(town, found) == 1
    await check_balance(town, found, FUNDS_MINOR)
    assert await broken(town, found.id, asked.id) == set()
