"""A process's one session at TigerBeetle: requests that are shared, and end.

A session has one request in flight, and a cluster takes 64 sessions, so a process has one client.
What is asked for while a request is under way goes along with the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import tigerbeetle as tb
from tigerbeetle.client import InitError

from perdure.core.errors import ConfigurationError
from perdure.storage.group_commit import GroupCommit

SESSIONS_MAX: Final = 64
"""How many a cluster takes; one more ends the oldest."""

EVENTS_MAX: Final = 8189
"""How many events a request has at most, where the cluster was not told to take fewer."""

_DEADLINE_S: Final = 5.0
"""How long an answer is waited for. The client itself would wait for ever."""

Event = TypeVar("Event")
Answer = TypeVar("Answer")


class LedgerUnanswered(TimeoutError):
    """TigerBeetle gave no answer in time: what was asked for may be done, or may yet be.

    It says nothing about what was asked, as a database that is away says nothing. Asked again, it
    is asked by the same id, and so found out.
    """


class _Room:
    """How many events a request takes, as far as is known by now."""

    def __init__(self) -> None:
        # The most that went through in one request, and the fewest that did not.
        self._fits, self._too_many = 1, EVENTS_MAX + 1

    @property
    def events_max(self) -> int:
        if self._too_many > EVENTS_MAX:
            return EVENTS_MAX
        return (self._fits + self._too_many) // 2

    def fitted(self, events: int) -> None:
        self._fits = max(self._fits, events)

    def was_too_small(self, events: int) -> bool:
        """Learn that so many were too many; returns whether fewer are worth a try."""
        self._too_many = min(self._too_many, events)
        return self._too_many > max(self._fits, 1)


class TigerBeetle:
    """What a process asks TigerBeetle for.

    Args:
        cluster_id: Of the cluster.
        addresses: Of its replicas: `host:port,…`.
        deadline_s: How long an answer is waited for.
    """

    def __init__(self, cluster_id: int, addresses: str, *, deadline_s: float = _DEADLINE_S) -> None:
        self.cluster_id = cluster_id
        self._addresses = addresses
        self._deadline_s = deadline_s
        self._client: tb.ClientAsync | None = None
        self._under_way: set[asyncio.Future[Any]] = set()
        # An id is smaller than what is created by it: more of them go into a request.
        self._created, self._looked_up = _Room(), _Room()
        # One at a time: more would only wait in the client, where nobody can call them off.
        self._writes: GroupCommit[list[tb.Transfer], list[tb.CreateTransferStatus]] = GroupCommit(
            self._write, size_max=EVENTS_MAX, at_once=1
        )

    @property
    def events_max(self) -> int:
        """How many a request may create, as far as is known by now."""
        return self._created.events_max

    async def write(
        self, chains: Sequence[Sequence[tb.Transfer]]
    ) -> list[list[tb.CreateTransferStatus]]:
        """Create transfers in order, along with what others ask for; those of a chain all or none.

        Raises:
            LedgerUnanswered: Of some of them nothing is known.
        """
        for chain in chains:
            for each in chain[:-1]:
                each.flags |= tb.TransferFlags.LINKED
        statuses = iter(await self._writes.submit([each for chain in chains for each in chain]))
        return [[next(statuses) for _ in chain] for chain in chains]

    async def _write(self, group: list[list[tb.Transfer]]) -> list[list[tb.CreateTransferStatus]]:
        found: list[tb.CreateTransferResult] = await self._in_requests(
            lambda client: client.create_transfers,
            [each for transfers in group for each in transfers],
            self._created,
            goes_on=lambda each: bool(each.flags & tb.TransferFlags.LINKED),
        )
        statuses = iter(found)
        return [[next(statuses).status for _ in transfers] for transfers in group]

    async def open_accounts(self, accounts: Sequence[tb.Account]) -> list[tb.CreateAccountStatus]:
        """Create accounts."""
        found: list[tb.CreateAccountResult] = await self._in_requests(
            lambda client: client.create_accounts, accounts, self._created
        )
        return [each.status for each in found]

    async def accounts(self, numbers: Sequence[int]) -> dict[int, tb.Account]:
        """Return the accounts there are of these, by id."""
        found: list[tb.Account] = await self._in_requests(
            lambda client: client.lookup_accounts, numbers, self._looked_up
        )
        return {each.id: each for each in found}

    async def transfers(self, numbers: Sequence[int]) -> dict[int, tb.Transfer]:
        """Return the transfers there are of these, by id."""
        found: list[tb.Transfer] = await self._in_requests(
            lambda client: client.lookup_transfers, numbers, self._looked_up
        )
        return {each.id: each for each in found}

    async def query(
        self, *, namespace: int, mark: int, after_ns: int, through_ns: int
    ) -> list[tb.Transfer]:
        """Return the next transfers of a database with a mark, by when they were created there."""
        asked = tb.QueryFilter(
            user_data_128=0,
            user_data_64=namespace,
            user_data_32=mark,
            ledger=0,
            code=0,
            timestamp_min=after_ns + 1,
            timestamp_max=through_ns,
            limit=self.events_max,
            flags=tb.QueryFilterFlags.NONE,
        )
        return await self._answered(lambda client: client.query_transfers(asked))

    async def _in_requests(
        self,
        method: Callable[[tb.ClientAsync], Callable[[list[Event]], Awaitable[list[Answer]]]],
        events: Sequence[Event],
        room: _Room,
        *,
        goes_on: Callable[[Event], bool] = lambda _: False,
    ) -> list[Answer]:
        """Ask for many, in as few requests as they fit in.

        Args:
            room: What is known of how many they are.
            goes_on: Whether an event belongs in one request with the one after it.
        """
        answers: list[Answer] = []
        start = 0
        while start < len(events):
            end = min(start + room.events_max, len(events))
            while end < len(events) and end > start and goes_on(events[end - 1]):
                end -= 1
            if end == start:
                raise AssertionError(f"a chain does not fit in a request of {room.events_max}")
            try:
                part = list(events[start:end])
                answers += await self._answered(lambda client, part=part: method(client)(part))  # type: ignore[misc]
            except tb.TooMuchDataError:
                # Nothing of it was sent: the client knows what the cluster takes, and does not say.
                if not room.was_too_small(end - start):
                    raise
                continue
            room.fitted(end - start)
            start = end
        return answers

    async def _answered(self, ask: Callable[[tb.ClientAsync], Awaitable[Answer]]) -> Answer:
        """Ask, and wait for the answer until the deadline.

        What the client is at cannot be called off, and its memory is in use until it is answered:
        it is left to go on.
        """
        for is_last in (False, True):
            task = asyncio.ensure_future(ask(self._connected()))
            self._keep(task)
            done, _ = await asyncio.wait({task}, timeout=self._deadline_s)
            if not done:
                break
            try:
                return task.result()
            except (tb.ClientEvictedError, tb.ClientClosedError) as error:
                # The cluster has ended the session for a newer one. Whether it did what was asked
                # is found out in another, by the same ids.
                self._leave()
                if is_last:
                    raise LedgerUnanswered(f"TigerBeetle ended two sessions: {error}") from error
        raise LedgerUnanswered(f"TigerBeetle gave no answer in {self._deadline_s:g} s.")

    def _leave(self) -> None:
        """Give up a client whose session has ended; the next request begins another."""
        client, self._client = self._client, None
        if client is not None:
            self._keep(asyncio.ensure_future(client.close()))

    def _keep(self, task: asyncio.Future[Any]) -> None:
        """Have something go on, whether or not anybody waits for it."""
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else may be there to look

    def _connected(self) -> tb.ClientAsync:
        if self._client is None:
            try:
                self._client = tb.ClientAsync(self.cluster_id, self._addresses)
            except InitError as error:
                raise ConfigurationError(
                    f"TIGERBEETLE_ADDRESSES is wrong: {error}.", param="TIGERBEETLE_ADDRESSES"
                ) from error
        return self._client

    async def close(self) -> None:
        """End the session; what is under way is left unanswered."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


@asynccontextmanager
async def open_tigerbeetle(
    cluster_id: int, addresses: str, *, deadline_s: float = _DEADLINE_S
) -> AsyncIterator[TigerBeetle]:
    """Open the process's session, and end it at the end."""
    opened = TigerBeetle(cluster_id, addresses, deadline_s=deadline_s)
    try:
        yield opened
    finally:
        await opened.close()
