"""Ids at TigerBeetle, chains of what is owed to it, and how large a request may be."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
import tigerbeetle as tb

from perdure.core.ids import ACCOUNT, TRANSFER, derived_id, new_id, time_ms_of, time_of
from perdure.core.money import MINOR_UNIT_DIGITS
from perdure.ledger.model import Balance, Side, TransferKind
from perdure.ledger.tigerbeetle_client import EVENTS_MAX, LedgerUnanswered, TigerBeetle
from perdure.ledger.tigerbeetle_ids import Numbers, Purpose, ledger_number
from perdure.ledger.tigerbeetle_owed import Owed, chains

NUMBERS = Numbers(7)


def test_ids_have_the_time_of_ours_above_a_digest_that_is_the_same_again() -> None:
    own = derived_id(TRANSFER, new_id("pay"), "hold")
    at = time_of(own)
    assert at is not None
    number = NUMBERS.transfer(own, Purpose.RESERVE)
    assert number >> 80 == time_ms_of(own) == round(at.timestamp() * 1000)
    assert number == Numbers(7).transfer(own, Purpose.RESERVE)
    others = {
        NUMBERS.transfer(own, Purpose.RESERVE, 1),
        NUMBERS.transfer(own, Purpose.CARRY_OUT),
        NUMBERS.give_back(number),
        NUMBERS.account(own),
        Numbers(8).transfer(own, Purpose.RESERVE),
    }
    assert len(others | {number}) == 6
    assert all(0 < other < 1 << 128 for other in others)


@pytest.mark.parametrize("own", ["sys_gateway_clearing_USD", "acc_none", "", "x" * 40])
def test_what_is_no_id_of_ours_has_no_time(own: str) -> None:
    assert time_ms_of(own) == 0


def test_each_currency_has_a_ledger_of_its_own() -> None:
    ledgers = {ledger_number(currency) for currency in MINOR_UNIT_DIGITS}
    assert len(ledgers) == len(MINOR_UNIT_DIGITS)
    assert all(0 < ledger < 1 << 32 for ledger in ledgers)


WALLET, OTHER, CLEARING = (new_id(ACCOUNT) for _ in range(3))
_NUMBER = count(1)


def owed(kind: TransferKind, debit: str, amount: int, *, transaction: int = 1, **more: Any) -> Owed:
    number = next(_NUMBER)
    return Owed(
        number=number,
        transaction=transaction,
        tigerbeetle_id=number,
        transfer_id=new_id(TRANSFER),
        kind=kind,
        debit_account_id=debit,
        credit_account_id=CLEARING,
        amount_minor=amount,
        currency="USD",
        pending_id=more.get("pending_id"),
        held_minor=more.get("held_minor", 0),
        needs=more.get("needs", ()),
    )


def test_what_takes_money_is_one_chain_with_what_set_it_free_in_its_transaction() -> None:
    void = owed(TransferKind.VOID_PENDING, WALLET, 100, pending_id=9, held_minor=100)
    aside = owed(TransferKind.VOID_PENDING, OTHER, 5, pending_id=8, held_minor=5)
    elsewhere = owed(TransferKind.VOID_PENDING, WALLET, 7, transaction=2, pending_id=6)
    first = owed(TransferKind.PENDING, WALLET, 30, needs=(WALLET,))
    second = owed(TransferKind.PENDING, WALLET, 70, needs=(WALLET,))
    found = chains([void, aside, elsewhere, first, second])
    assert found == [[aside], [elsewhere], [void, first, second]]


def test_a_balance_has_what_is_owed_counted_in() -> None:
    balance = Balance(normal_side=Side.CREDIT, credits_posted_minor=100, debits_pending_minor=60)
    part = owed(TransferKind.POST_PENDING, WALLET, 20, pending_id=9, held_minor=60)
    after = part.on(WALLET, balance)
    assert (after.posted_minor, after.available_minor) == (80, 80)
    assert part.on(OTHER, balance) == balance


class Cluster:
    """Takes so many events in a request."""

    def __init__(self, events_max: int) -> None:
        self.events_max = events_max
        self.requests: list[int] = []

    async def lookup_transfers(self, asked: Sequence[int]) -> list[tb.Transfer]:
        return [tb.Transfer(id=each) for each in asked]

    async def create_transfers(self, asked: Sequence[tb.Transfer]) -> list[tb.CreateTransferResult]:
        if len(asked) > self.events_max:
            raise tb.TooMuchDataError
        self.requests.append(len(asked))
        assert not asked[-1].flags & tb.TransferFlags.LINKED
        return [tb.CreateTransferResult(0, tb.CreateTransferStatus.CREATED) for _ in asked]


@pytest.mark.parametrize("events_max", [EVENTS_MAX, 253, 10])
async def test_how_much_a_request_takes_is_found_out_and_chains_stay_whole(events_max: int) -> None:
    cluster, client = Cluster(events_max), TigerBeetle(0, "3000")
    client._client = cluster  # type: ignore[assignment]
    for _ in range(12):
        # More ids than transfers go into a request.
        assert len(await client.transfers(range(1, 302))) == 301
        answers = await client.write([[tb.Transfer(), tb.Transfer()] for _ in range(300)])
        assert [len(chain) for chain in answers] == [2] * 300
    assert sum(cluster.requests) == 12 * 600
    assert max(cluster.requests) in (min(600, events_max), min(600, events_max) - 1)


async def test_a_session_that_was_ended_is_followed_by_another_that_is_asked_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Evicted(Cluster):
        is_closed = False

        async def create_transfers(self, _: Any) -> list[tb.CreateTransferResult]:
            raise tb.ClientEvictedError

        async def close(self) -> None:
            self.is_closed = True

    ended, client = [Evicted(1) for _ in range(3)], TigerBeetle(0, "3000")
    opened = iter([ended[0], Cluster(9), *ended[1:]])

    def connected() -> Any:
        client._client = client._client or next(opened)  # type: ignore[assignment]
        return client._client

    monkeypatch.setattr(client, "_connected", connected)
    assert await client.write([[tb.Transfer()]]) == [[tb.CreateTransferStatus.CREATED]]
    client._client = None
    with pytest.raises(LedgerUnanswered):
        await client.write([[tb.Transfer()]])
    await asyncio.sleep(0)
    assert all(each.is_closed for each in ended)
