"""A sync's ends on our database: all that it read written in one commit, or all of it forgotten."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from perdure.bank_sync import items, runs, transactions
from perdure.bank_sync.acceptance import BankSyncAcceptance
from perdure.bank_sync.changes import Changes, Latest, changes, mirror_id, outside_id
from perdure.bank_sync.contracts import BankSyncEnd, BankSyncInput, CloseSync
from perdure.bank_sync.items import Item
from perdure.bank_sync.process import APPLY, CLOSE
from perdure.bank_sync.runs import Run
from perdure.core.errors import PerdureError
from perdure.core.script import Bodies
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.operations import model
from perdure.operations.model import Operation, Status
from perdure.operations.steps import StepTransaction, TransactionalSteps, to_json
from perdure.storage.pool import Connection

_AT_ONCE: Final = 1_000
"""How many entries a statement writes."""
_ENDS: Final = (APPLY.row_name, CLOSE.row_name)

Begin = Callable[[Operation], Awaitable[None]]


class BankSyncEnds:
    """Applies what a sync has read, or forgets it.

    Args:
        begin: Has the sync be carried out that was asked for meanwhile.
    """

    def __init__(
        self,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        acceptance: BankSyncAcceptance,
        begin: Begin,
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._acceptance = acceptance
        self._begin = begin

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps."""
        return {APPLY: self.apply, CLOSE: self.close}

    async def apply(self, sync: BankSyncInput) -> BankSyncEnd:
        """Write rows, ledger entries and the cursor.

        Raises:
            PerdureError: The ledger does not take an entry, or not all was read.
        """
        following: list[Operation] = []

        async def body(work: StepTransaction) -> BankSyncEnd:
            item = await self._locked(work.connection, sync)
            run = await runs.lock(work.connection, sync.operation_id)
            if run is None or not run.is_complete:
                raise PerdureError(f"{sync.operation_id} has not read all of its pages.")
            done = await self._decided(work.connection, run)
            await self._post(work.connection, item, done)
            await transactions.remove(work.connection, item.id, done.removed)
            await transactions.write(
                work.connection,
                done.written,
                item_id=item.id,
                customer_id=item.customer_id,
                operation_id=sync.operation_id,
            )
            await items.record_synced(
                work.connection,
                item.id,
                sync.operation_id,
                cursor=run.cursor,
                is_ready=run.is_ready,
            )
            end = _success(done)
            told = to_json(end) | to_json(run.progress)
            work.move(Status.SUCCEEDED, action="synced", result=told)
            following.extend(await self._next(work.connection, item))
            return end

        return await self._ended(sync, APPLY.row_name, sync, body, following)

    async def close(self, given: CloseSync) -> BankSyncEnd:
        """Forget what was read; the item is free again, and where it was."""
        sync, failure = given.sync, given.failure
        following: list[Operation] = []

        async def body(work: StepTransaction) -> BankSyncEnd:
            item = await self._locked(work.connection, sync)
            await items.give_up(work.connection, item.id, sync.operation_id)
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            why = model.Failure(failure.code, failure.message, param=failure.param)
            work.move(status, action="closed", reason=failure.message, failure=why)
            following.extend(await self._next(work.connection, item))
            return BankSyncEnd(status.value, failure=failure)

        return await self._ended(sync, CLOSE.row_name, given, body, following, undoes=True)

    async def _ended(
        self,
        sync: BankSyncInput,
        step: str,
        given: Any,
        body: Callable[[StepTransaction], Awaitable[BankSyncEnd]],
        following: list[Operation],
        *,
        undoes: bool = False,
    ) -> BankSyncEnd:
        end = await self._steps.run(
            sync.operation_id,
            step,
            given,
            body,
            returns=BankSyncEnd,
            undoes=undoes,
            ends=_ENDS,
        )
        for operation in following:
            await self._begin(operation)
        return end

    async def _locked(self, connection: Connection, sync: BankSyncInput) -> Item:
        return (await items.lock(connection, [sync.request.item_id]))[sync.request.item_id]

    async def _next(self, connection: Connection, item: Item) -> list[Operation]:
        free = replace(item, syncing=None)
        found = await self._acceptance.accept_next(connection, free)
        return [] if found is None else [found]

    async def _decided(self, connection: Connection, run: Run) -> Changes:
        latest = Latest()
        for number in range(1, run.pages + 1):
            if (page := await runs.page(connection, run.operation_id, number)) is not None:
                latest.take(page)
        # Who can tell nothing yet has not told that all is gone.
        is_full = run.is_full and run.is_ready
        ids = None if is_full else [*latest.told, *latest.removed]
        known = await transactions.known(connection, run.item_id, ids)
        return changes(
            latest,
            known,
            item_id=run.item_id,
            operation_id=run.operation_id,
            is_full=is_full,
        )

    async def _post(self, connection: Connection, item: Item, done: Changes) -> None:
        for account_id, currency in sorted(done.mirrors):
            await self._open(connection, _mirror(item, account_id, currency))
        for currency in sorted({currency for _, currency in done.mirrors}):
            await self._open(connection, _outside(currency))
        for first in range(0, len(done.entries), _AT_ONCE):
            await self._post_some(connection, done.entries[first : first + _AT_ONCE])

    async def _open(self, connection: Connection, account: NewAccount) -> None:
        await self._ledger.open_account(connection, account)

    async def _post_some(self, connection: Connection, entries: list[NewTransfer]) -> None:
        written = await self._ledger.post_many(connection, entries)
        for entry in entries:
            if entry.id not in written:
                await self._ledger.post(connection, entry)  # says why not


def _mirror(item: Item, account_id: str, currency: str) -> NewAccount:
    return NewAccount(
        id=mirror_id(item.id, account_id, currency),
        name=f"Mirror of {account_id} of {item.id}"[:200],
        # An asset: what is paid with here are customers' liabilities, so nobody pays from it.
        kind=AccountKind.ASSET,
        currency=currency,
        customer_id=item.customer_id,
        may_go_negative=True,
    )


def _outside(currency: str) -> NewAccount:
    return NewAccount(
        id=outside_id(currency),
        name=f"Bank mirror {currency}",
        kind=AccountKind.LIABILITY,
        currency=currency,
        may_go_negative=True,
    )


def _success(done: Changes) -> BankSyncEnd:
    return BankSyncEnd(
        status=Status.SUCCEEDED.value,
        synced=len(done.written) + len(done.removed),
        added=done.added,
        modified=done.modified,
        removed=len(done.removed),
        flagged=done.flagged,
    )
