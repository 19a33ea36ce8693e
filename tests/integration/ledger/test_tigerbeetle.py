"""What is special about a ledger at TigerBeetle: ids, attempts, answers that are lost."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from perdure.core.errors import IdempotencyMismatch, InsufficientFunds
from perdure.core.ids import TRANSFER, new_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store_tigerbeetle import TigerBeetleLedger
from perdure.ledger.tigerbeetle import SESSIONS, ledger_at
from perdure.ledger.tigerbeetle_client import LedgerUnanswered, TigerBeetle
from perdure.storage.pool import transaction
from perdure.testing.polls import eventually

from .conftest import ADDRESSES, CLUSTER, Store
from .test_ledger_contract import move
from .test_tigerbeetle_kills import Mortal, World, heal, store

__all__ = ["store"]


@pytest.fixture
async def world(store: Store) -> World:
    """A wallet with 1000."""
    made = World()
    await made.open(store)
    async with transaction(store.pool) as session:
        await made.deposit(store.ledger, session)
    return made


@pytest.fixture
async def mortal() -> AsyncIterator[Mortal]:
    made = Mortal()
    yield made
    await made.close()


class _GoneError(Exception):
    """What the transaction is rolled back for."""


async def hold_and_roll_back(store: Store, new: NewTransfer) -> None:
    try:
        async with transaction(store.pool) as session:
            await store.ledger.hold(session, new)
            raise _GoneError
    except _GoneError:
        pass


async def test_a_refused_id_is_passed_over_once_the_business_is_tried_again_e13(
    store: Store, world: World, mortal: Mortal
) -> None:
    ledger = await ledger_at(store.pool, mortal)
    new = move(world.wallet, world.clearing, 1500)
    for requests in (1, 2):
        mortal.requests = 0
        with pytest.raises(InsufficientFunds):
            async with transaction(store.pool) as session:
                await ledger.hold(session, new)
        # The second asks by the burnt id first, and by the next one then.
        assert mortal.requests == requests
    async with transaction(store.pool) as session:
        await ledger.post(session, move(world.bank, world.wallet, 500))
    async with transaction(store.pool) as session:
        assert (await ledger.hold(session, new)).created
    async with transaction(store.pool) as session:
        assert not (await ledger.hold(session, new)).created
        assert (await ledger.balance(session, world.wallet)).available_minor == 0


async def test_what_was_reserved_and_rolled_back_is_reserved_once_e13(
    store: Store, world: World
) -> None:
    new = move(world.wallet, world.clearing, 1000)
    for _ in range(2):
        await hold_and_roll_back(store, new)
    async with transaction(store.pool) as session:
        assert (await store.ledger.hold(session, new)).created
        assert (await store.ledger.balance(session, world.wallet)).available_minor == 0
    assert await store.violations() == []


@pytest.mark.parametrize("amount_minor", [700, 300])
async def test_a_reservation_on_other_terms_that_was_never_committed_is_given_up_e13(
    store: Store, world: World, amount_minor: int
) -> None:
    new = move(world.wallet, world.clearing, 700)
    await hold_and_roll_back(store, new)
    corrected = move(world.wallet, world.clearing, amount_minor, id=new.id, code="corrected")
    async with transaction(store.pool) as session:
        assert (await store.ledger.hold(session, corrected)).created
        balance = await store.ledger.balance(session, world.wallet)
        assert balance.available_minor == 1000 - amount_minor
    with pytest.raises(IdempotencyMismatch):
        async with transaction(store.pool) as session:
            await store.ledger.hold(session, new)
    assert await store.violations() == []


async def test_a_transfer_that_is_there_reserves_nothing_however_it_came_there_e13(
    store: Store, world: World
) -> None:
    held, freed = (move(world.wallet, world.clearing, amount) for amount in (1000, 400))
    async with transaction(store.pool) as session:
        await store.ledger.hold(session, held)
    async with transaction(store.pool) as session:
        # It has what its own transaction set free, and no floor is in the way of the other.
        await store.ledger.void_hold(session, held.id, new_id(TRANSFER))
        await store.ledger.hold(session, freed)
        await store.ledger.hold(session, back := move(world.clearing, world.wallet, 1))
    other = replace(freed, id=back.id)
    async with transaction(store.pool) as session:
        assert not (await store.ledger.hold(session, freed)).created
        assert await store.ledger.hold_many(session, [freed, other]) == frozenset()
    with pytest.raises(IdempotencyMismatch):
        async with transaction(store.pool) as session:
            await store.ledger.hold(session, other)
    async with transaction(store.pool) as session:
        assert (await store.ledger.balance(session, world.wallet)).available_minor == 600
    assert await store.violations() == []


async def test_what_was_given_back_while_its_transaction_was_open_is_reserved_anew_e13(
    store: Store, world: World, mortal: Mortal
) -> None:
    new = move(world.wallet, world.clearing, 600)
    await hold_and_roll_back(store, new)
    await heal(store, mortal)
    async with transaction(store.pool) as session:
        # It finds the reservation there, and that it does not count any more.
        assert (await store.ledger.hold(session, new)).created
    async with transaction(store.pool) as session:
        assert (await store.ledger.balance(session, world.wallet)).available_minor == 400
    await heal(store, mortal)
    assert await store.violations() == []


@asynccontextmanager
async def cut_wire() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address that leads to the cluster, and what cuts its answers while it is set."""
    cut = asyncio.Event()
    host, _, port = ADDRESSES.partition(",")[0].rpartition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: bool) -> None:
        while data := await reader.read(65536):
            if not (held and cut.is_set()):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host or "127.0.0.1", int(port))
        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(pump(reader, there[1], False), pump(there[0], writer, True))

    listening = socket.create_server(("127.0.0.1", 0))
    async with await asyncio.start_server(connected, sock=listening) as server:
        yield f"127.0.0.1:{listening.getsockname()[1]}", cut
        server.close()


async def test_an_answer_that_is_lost_is_unknown_and_found_out_by_its_id_e13(
    store: Store, world: World
) -> None:
    async with cut_wire() as (address, cut):
        behind = TigerBeetle(CLUSTER, address)
        ledger = await ledger_at(store.pool, behind)
        async with transaction(store.pool) as session:
            await ledger.balance(session, world.wallet)
        cut.set()
        behind._deadline_s = 0.5  # it had the usual one to begin its session
        new = move(world.wallet, world.clearing, 1000)
        with pytest.raises(LedgerUnanswered):
            async with transaction(store.pool) as session:
                await ledger.hold(session, new)
        await _is_there(store, world)
        async with transaction(store.pool) as session:
            # It takes all there is: by another id there would be too little.
            assert (await store.ledger.hold(session, new)).created
        cut.clear()
        await behind.close()
    assert await store.violations() == []


async def _is_there(store: Store, world: World) -> None:
    """Wait until the reservation whose answer is lost has been made."""

    async def look() -> bool:
        async with transaction(store.pool) as session:
            return (await store.ledger.balance(session, world.wallet)).available_minor == 0

    await eventually(look)


async def test_a_process_tells_that_it_has_a_session_e13(store: Store) -> None:
    await eventually(lambda: store.pool.fetchval(SESSIONS))


async def test_many_in_flight_share_requests_and_a_request_that_is_too_large_is_split_e13(
    store: Store, world: World, mortal: Mortal
) -> None:
    ledger: TigerBeetleLedger = await ledger_at(store.pool, mortal)
    new = [move(world.wallet, world.clearing, 1) for _ in range(600)]
    async with transaction(store.pool) as session:
        assert len(await ledger.hold_many(session, new)) == 600
    # A cluster with --development takes 253.
    assert mortal.events_max >= 253
    assert mortal.requests == 1
