"""What every ledger store does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Refused,
)
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.core.money import AMOUNT_MINOR_MAX
from perdure.ledger.model import (
    AccountKind,
    AccountStatus,
    HoldState,
    NewAccount,
    NewTransfer,
    TransferKind,
)
from perdure.ledger.store import LedgerStore

from .conftest import Store

Ledger = LedgerStore[Any]

PAST = datetime.now(UTC) - timedelta(minutes=1)
FUTURE = datetime.now(UTC) + timedelta(days=1)


def account(kind: AccountKind = AccountKind.LIABILITY, **changes: Any) -> NewAccount:
    return replace(
        NewAccount(id=new_id(ACCOUNT), name="An account", kind=kind, currency="USD"), **changes
    )


@pytest.fixture
async def bank(ledger: Ledger, session: Any) -> str:
    """An asset account without a floor."""
    new = account(AccountKind.ASSET, may_go_negative=True)
    return (await ledger.open_account(session, new)).account.id


@pytest.fixture
async def wallet(ledger: Ledger, session: Any, bank: str) -> str:
    """A liability account with 10.00 USD and a floor."""
    wallet_id = (await ledger.open_account(session, account())).account.id
    await ledger.post(session, move(bank, wallet_id, 1000))
    return wallet_id


@pytest.fixture
async def clearing(ledger: Ledger, session: Any) -> str:
    """A liability account without a floor."""
    return (await ledger.open_account(session, account(may_go_negative=True))).account.id


def move(debit: str, credit: str, amount_minor: int, **changes: Any) -> NewTransfer:
    new = NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_minor=amount_minor,
        currency="USD",
        code="payment",
    )
    return replace(new, **changes)


async def amounts(ledger: Ledger, session: Any, account_id: str) -> tuple[int, int]:
    """What is posted, and what is available."""
    balance = await ledger.balance(session, account_id)
    return balance.posted_minor, balance.available_minor


async def test_an_account_is_opened_once(ledger: Ledger, session: Any) -> None:
    new = account(customer_id="cus_1")
    first = await ledger.open_account(session, new)
    again = await ledger.open_account(session, new)
    assert (first.created, again.created) == (True, False)
    assert first.account == again.account == await ledger.get_account(session, new.id)
    assert first.account.status is AccountStatus.OPEN
    assert await amounts(ledger, session, new.id) == (0, 0)
    with pytest.raises(IdempotencyMismatch):
        await ledger.open_account(session, replace(new, currency="EUR"))


async def test_what_does_not_exist_is_not_found(ledger: Ledger, session: Any, bank: str) -> None:
    with pytest.raises(NotFound):
        await ledger.get_account(session, "acc_none")
    with pytest.raises(NotFound):
        await ledger.balance(session, "acc_none")
    with pytest.raises(NotFound):
        await ledger.get_transfer(session, new_id(TRANSFER))
    with pytest.raises(NotFound):
        await ledger.get_hold(session, new_id(TRANSFER))
    with pytest.raises(NotFound):
        await ledger.void_hold(session, new_id(TRANSFER), new_id(TRANSFER))
    with pytest.raises(NotFound):
        await ledger.set_account_status(session, "acc_none", AccountStatus.FROZEN)
    with pytest.raises(NotFound) as refused:
        await ledger.post(session, move(bank, "acc_none", 1))
    assert refused.value.param == "credit_account_id"


async def test_accounts_are_listed_by_page_newest_first(ledger: Ledger, session: Any) -> None:
    customer = new_id("cus")
    opened = [
        (await ledger.open_account(session, account(customer_id=customer))).account
        for _ in range(3)
    ]
    page = await ledger.list_accounts(session, customer_id=customer, limit=2)
    rest = await ledger.list_accounts(session, customer_id=customer, cursor=page[-1].id, limit=2)
    assert page + rest == sorted(opened, key=lambda each: each.id, reverse=True)
    assert len(await ledger.list_accounts(session, limit=3)) == 3


async def test_a_post_moves_money_once(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 300)
    first, again = [await ledger.post(session, new) for _ in range(2)]
    assert (first.created, again.created) == (True, False)
    assert first.transfer == again.transfer == await ledger.get_transfer(session, new.id)
    assert first.transfer.kind is TransferKind.POSTED
    assert await amounts(ledger, session, wallet) == (700, 700)
    assert await amounts(ledger, session, clearing) == (300, 300)


async def test_an_id_used_for_another_transfer_is_refused(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 300)
    await ledger.post(session, new)
    with pytest.raises(IdempotencyMismatch):
        await ledger.post(session, replace(new, amount_minor=301))
    with pytest.raises(IdempotencyMismatch):
        await ledger.hold(session, new)
    hold = move(wallet, clearing, 100)
    await ledger.hold(session, hold)
    with pytest.raises(IdempotencyMismatch):
        await ledger.post_hold(session, hold.id, new.id)
    assert await amounts(ledger, session, wallet) == (700, 600)


async def test_a_repeated_post_is_found_though_the_money_is_gone(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 1000)
    await ledger.post(session, new)
    await ledger.set_account_status(session, wallet, AccountStatus.FROZEN)
    assert not (await ledger.post(session, new)).created


async def test_the_floor_holds_and_a_refusal_writes_nothing(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    await ledger.hold(session, move(wallet, clearing, 600))
    refused = move(wallet, clearing, 401)
    with pytest.raises(InsufficientFunds):
        await ledger.post(session, refused)
    with pytest.raises(InsufficientFunds):
        await ledger.hold(session, refused)
    with pytest.raises(NotFound):
        await ledger.get_transfer(session, refused.id)
    assert await amounts(ledger, session, wallet) == (1000, 400)
    # The session goes on after a refusal, and the id is still free.
    assert (await ledger.post(session, replace(refused, amount_minor=400))).created


async def test_an_asset_account_with_a_floor_is_guarded_on_its_credit_side(
    ledger: Ledger, session: Any, clearing: str
) -> None:
    till = (await ledger.open_account(session, account(AccountKind.ASSET))).account.id
    await ledger.post(session, move(till, clearing, 50))
    with pytest.raises(InsufficientFunds):
        await ledger.post(session, move(clearing, till, 51))
    await ledger.post(session, move(clearing, till, 50))
    assert await amounts(ledger, session, till) == (0, 0)


async def test_an_account_without_a_floor_goes_negative(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    for _ in range(20):
        await ledger.post(session, move(clearing, wallet, 10))
    assert await amounts(ledger, session, clearing) == (-200, -200)


async def test_incoming_holds_are_not_available(
    ledger: Ledger, session: Any, wallet: str, bank: str
) -> None:
    await ledger.hold(session, move(bank, wallet, 500))
    assert await amounts(ledger, session, wallet) == (1000, 1000)


@pytest.mark.parametrize("part", [None, 600, 250])
async def test_posting_a_hold_moves_its_part_and_releases_the_rest(
    ledger: Ledger, session: Any, wallet: str, clearing: str, part: int | None
) -> None:
    posted = part or 600
    new = move(wallet, clearing, 600, operation_id=new_id("pay"))
    await ledger.hold(session, new, expires_at=FUTURE)
    assert await amounts(ledger, session, wallet) == (1000, 400)
    settling_id = new_id(TRANSFER)
    first = await ledger.post_hold(session, new.id, settling_id, part)
    again = await ledger.post_hold(session, new.id, settling_id, part)
    assert (first.created, again.created) == (True, False)
    assert first.transfer == again.transfer
    assert first.transfer.amount_minor == posted
    assert first.transfer.operation_id == new.operation_id
    assert await amounts(ledger, session, wallet) == (1000 - posted, 1000 - posted)
    assert await amounts(ledger, session, clearing) == (posted, posted)
    hold = await ledger.get_hold(session, new.id)
    assert (hold.state, hold.settled_by) == (HoldState.POSTED, first.transfer)


async def test_voiding_a_hold_releases_all_of_it(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 600)
    await ledger.hold(session, new)
    settling_id = new_id(TRANSFER)
    assert (await ledger.void_hold(session, new.id, settling_id)).created
    assert not (await ledger.void_hold(session, new.id, settling_id)).created
    assert await amounts(ledger, session, wallet) == (1000, 1000)
    assert await amounts(ledger, session, clearing) == (0, 0)
    assert (await ledger.get_hold(session, new.id)).state is HoldState.VOIDED


async def test_a_hold_is_settled_once(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 600)
    await ledger.hold(session, new)
    await ledger.post_hold(session, new.id, new_id(TRANSFER), 100)
    for settle in (ledger.post_hold, ledger.void_hold, ledger.expire_hold):
        with pytest.raises(Conflict) as refused:
            await settle(session, new.id, new_id(TRANSFER))
        assert refused.value.code == "hold_already_settled"
    assert await amounts(ledger, session, wallet) == (900, 900)


async def test_more_than_was_held_cannot_be_posted(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 600)
    await ledger.hold(session, new)
    with pytest.raises(LimitExceeded) as refused:
        await ledger.post_hold(session, new.id, new_id(TRANSFER), 601)
    assert refused.value.code == "amount_over_hold"
    with pytest.raises(InvalidInput):
        await ledger.post_hold(session, new.id, new_id(TRANSFER), 0)
    assert (await ledger.get_hold(session, new.id)).state is HoldState.PENDING


async def test_a_hold_past_its_expiry_can_only_be_released(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    new = move(wallet, clearing, 600)
    await ledger.hold(session, new, expires_at=PAST)
    assert new.id in {held.id for held in await ledger.holds_past_expiry(session, 1000)}
    with pytest.raises(Conflict) as refused:
        await ledger.post_hold(session, new.id, new_id(TRANSFER))
    assert refused.value.code == "hold_expired"
    settling_id = new_id(TRANSFER)
    assert (await ledger.expire_hold(session, new.id, settling_id)).created
    assert not (await ledger.expire_hold(session, new.id, settling_id)).created
    assert (await ledger.get_hold(session, new.id)).state is HoldState.EXPIRED
    assert await amounts(ledger, session, wallet) == (1000, 1000)
    assert new.id not in {held.id for held in await ledger.holds_past_expiry(session, 1000)}
    with pytest.raises(Conflict) as refused:
        await ledger.post_hold(session, new.id, new_id(TRANSFER))
    assert refused.value.code == "hold_expired"


@pytest.mark.parametrize("expires_at", [None, FUTURE])
async def test_a_hold_does_not_expire_early(
    ledger: Ledger, session: Any, wallet: str, clearing: str, expires_at: datetime | None
) -> None:
    new = move(wallet, clearing, 600)
    await ledger.hold(session, new, expires_at=expires_at)
    assert new.id not in {held.id for held in await ledger.holds_past_expiry(session, 1000)}
    with pytest.raises(Conflict) as refused:
        await ledger.expire_hold(session, new.id, new_id(TRANSFER))
    assert refused.value.code == "hold_not_expired"


async def test_a_posted_transfer_is_not_a_hold(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    posted = await ledger.post(session, move(wallet, clearing, 100))
    with pytest.raises(NotFound) as refused:
        await ledger.post_hold(session, posted.transfer.id, new_id(TRANSFER))
    assert refused.value.code == "hold_not_found"


async def test_currencies_do_not_mix(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    euros = (await ledger.open_account(session, account(currency="EUR"))).account.id
    for new in (move(wallet, euros, 1), move(wallet, clearing, 1, currency="EUR")):
        with pytest.raises(InvalidInput) as refused:
            await ledger.post(session, new)
        assert refused.value.code == "currency_mismatch"


async def test_a_frozen_account_settles_its_holds_and_takes_no_transfer(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    posted, voided = move(wallet, clearing, 100), move(wallet, clearing, 200)
    await ledger.hold(session, posted)
    await ledger.hold(session, voided)
    frozen = await ledger.set_account_status(session, wallet, AccountStatus.FROZEN)
    assert frozen == await ledger.get_account(session, wallet)
    assert frozen.status is AccountStatus.FROZEN
    for new in (move(wallet, clearing, 1), move(clearing, wallet, 1)):
        for place in (ledger.post, ledger.hold):
            with pytest.raises(Refused) as refused:
                await place(session, new)
            assert refused.value.code == "account_not_open"
    await ledger.post_hold(session, posted.id, new_id(TRANSFER))
    await ledger.void_hold(session, voided.id, new_id(TRANSFER))
    assert await amounts(ledger, session, wallet) == (900, 900)
    await ledger.set_account_status(session, wallet, AccountStatus.OPEN)
    assert (await ledger.post(session, move(wallet, clearing, 1))).created


async def test_only_an_empty_account_is_closed_and_stays_so(
    ledger: Ledger, session: Any, wallet: str, clearing: str
) -> None:
    with pytest.raises(Conflict) as refused:
        await ledger.set_account_status(session, wallet, AccountStatus.CLOSED)
    assert refused.value.code == "account_not_empty"
    await ledger.post(session, move(wallet, clearing, 1000))
    await ledger.set_account_status(session, wallet, AccountStatus.CLOSED)
    with pytest.raises(Refused):
        await ledger.post(session, move(clearing, wallet, 1))
    with pytest.raises(Conflict) as refused:
        await ledger.set_account_status(session, wallet, AccountStatus.OPEN)
    assert refused.value.code == "account_closed"


@pytest.mark.parametrize("pending", [False, True])
async def test_a_balance_does_not_overflow(
    store: Store, ledger: Ledger, session: Any, bank: str, pending: bool
) -> None:
    store.skip_elsewhere("its balances have 128 bits")
    full = (await ledger.open_account(session, account())).account.id
    first = move(bank, full, AMOUNT_MINOR_MAX)
    await (ledger.hold if pending else ledger.post)(session, first)
    for place in (ledger.post, ledger.hold):
        with pytest.raises(LimitExceeded) as refused:
            await place(session, move(bank, full, 1))
        assert refused.value.code == "balance_overflow"
    if pending:
        await ledger.post_hold(session, first.id, new_id(TRANSFER))
    assert await amounts(ledger, session, full) == (AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)


async def test_transfers_are_listed_by_account_and_by_operation(
    ledger: Ledger, session: Any, wallet: str, clearing: str, bank: str
) -> None:
    operation_id = new_id("pay")
    hold = move(wallet, clearing, 300, operation_id=operation_id)
    await ledger.hold(session, hold)
    settled = await ledger.post_hold(session, hold.id, new_id(TRANSFER))
    deposit = await ledger.post(session, move(bank, clearing, 5, operation_id=operation_id))
    of_operation = await ledger.list_transfers(session, operation_id=operation_id)
    expected = sorted({hold.id, settled.transfer.id, deposit.transfer.id}, reverse=True)
    assert [each.id for each in of_operation] == expected
    both = await ledger.list_transfers(session, operation_id=operation_id, account_id=wallet)
    assert {each.id for each in both} == {hold.id, settled.transfer.id}
    of_clearing = await ledger.list_transfers(session, account_id=clearing, limit=2)
    rest = await ledger.list_transfers(session, account_id=clearing, cursor=of_clearing[-1].id)
    assert of_clearing + rest == of_operation
    with pytest.raises(InvalidInput):
        await ledger.list_transfers(session)
