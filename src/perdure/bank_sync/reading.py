"""A sync's step at the aggregator: the next page, kept with the cursor behind it.

What the pages say is not believed without a look: a cursor that comes again, pages without end and
amounts that are none park the sync. A loop that the aggregator breaks begins anew from its first
cursor; one that is broken again and again, from no cursor at all.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from perdure.bank_sync import items, runs
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.contracts import BankSyncInput, Progress
from perdure.bank_sync.items import ItemStatus
from perdure.bank_sync.process import FETCH_PAGE
from perdure.bank_sync.runs import Run
from perdure.bank_sync.staging import staged
from perdure.core.errors import (
    Conflict,
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderRateLimited,
    Refused,
    TurnPending,
)
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.operations import store
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.model import Operation, Status
from perdure.operations.steps import check_may_begin, to_json
from perdure.providers.aggregator import (
    ITEM_GONE,
    LOGIN_REQUIRED,
    PAGES_CHANGED,
    BankAggregator,
    TransactionsPage,
)
from perdure.storage.pool import Connection, Pool, transaction

RESTARTS_MAX: Final = 3
"""How often a loop begins anew from its first cursor; after that everything is read again."""
BROKEN_MAX: Final = 10
"""How often loops may be broken, all together, before a person looks."""
EMPTY_PAGES_MAX: Final = 10
"""How many pages of a loop may tell nothing, and that there is more."""
PAGES_MAX: Final = 10_000
"""How many pages a loop may have: at 500 changes each, more than any account's history."""

_AGAIN_S: Final = 5.0
"""How long an item is left alone, at least, that was asked about too often in a minute."""
_SPREAD_S: Final = 10
"""Those that were do not come again all at once."""


@dataclass(frozen=True, slots=True)
class _Moved:
    """Where a run goes, and why, as the trail has it."""

    run: Run
    action: str
    reason: str | None = None


class BankPages:
    """Reads pages, and keeps them.

    Args:
        page_max: How many changes a page has at most.
    """

    def __init__(
        self,
        pool: Pool,
        aggregator: BankAggregator,
        tokens: AccessTokens,
        *,
        page_max: int,
    ) -> None:
        self._pool = pool
        self._aggregator = aggregator
        self._tokens = tokens
        self._page_max = page_max

    @records_its_attempts
    async def fetch_page(self, sync: BankSyncInput) -> Progress:
        """Read the next page and keep it; once all are, do nothing.

        Raises:
            ProviderError: It gave no answer; try again.
            TurnPending: The item was asked about too often; try again later.
            ProviderDisagrees: What it tells cannot be believed, or kept.
            Refused: `login_required`, `item_gone`: the customer has to act.
            PerdureError: `pages_keep_changing`, `pages_without_end`.
            OperationCancelled, OperationParked, Conflict: The sync is to stop, is held, or ended.
        """
        attempt = current_attempt(FETCH_PAGE.row_name)
        check_may_begin(await store.get(self._pool, sync.operation_id), attempt.step)
        run = await runs.find(self._pool, sync.operation_id)
        if run is None:
            raise _ended(sync)
        if run.is_complete:
            return run.progress
        kept = await items.access_token(self._pool, run.item_id)
        if kept is None:
            raise Refused(
                f"{run.item_id} is linked no more; have its customer link it anew.", code=ITEM_GONE
            )
        try:
            page = await self._aggregator.transactions(
                await self._tokens.decrypted(kept), cursor=run.cursor, count=self._page_max
            )
        except ProviderRateLimited as busy:
            raise _too_often(sync, busy) from busy
        except ProviderDeclined as declined:
            if declined.code != PAGES_CHANGED:
                raise await self._refused(run, declined) from declined
            return await self._move(sync, run, _begun_anew)
        except InvalidInput:
            # A cursor that is too old is none any more; what it stood for is read again.
            if not run.cursor:
                raise
            return await self._move(sync, run, _read_again)
        return await self._keep(sync, run, page)

    async def _keep(self, sync: BankSyncInput, run: Run, page: TransactionsPage) -> Progress:
        known = {account.id for account in await items.accounts_of(self._pool, run.item_id)}
        changes = staged(page, frozenset(known))
        if page.has_more:
            seen = await runs.was_led_to(self._pool, run.operation_id, page.next_cursor)
            if seen or page.next_cursor in (run.cursor, run.started_from):
                raise ProviderDisagrees(
                    "The aggregator says that there are more pages, behind a cursor that it gave"
                    " before.",
                    code="cursor_repeated",
                )
        after = _behind(run, page, len(changes))

        async def keep(connection: Connection) -> None:
            if changes:
                await runs.add_page(connection, after, changes)
            accounts = {account.id: account for account in page.accounts}
            await items.keep_accounts(connection, run.item_id, accounts)

        return await self._move(sync, run, lambda _: _Moved(after, "page_read"), keep)

    async def _move(
        self,
        sync: BankSyncInput,
        run: Run,
        moved: Callable[[Run], _Moved],
        keep: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> Progress:
        """Write where the run goes, unless another attempt has moved it meanwhile."""
        attempt = current_attempt(FETCH_PAGE.row_name)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, sync.operation_id)
            check_may_begin(operation, attempt.step)
            now = await runs.lock(connection, sync.operation_id)
            if now is None:
                raise _ended(sync)
            if now != run:
                return now.progress
            to = moved(run)
            if keep is None:
                await runs.forget_pages(connection, run.operation_id)
            else:
                await keep(connection)
            await runs.keep(connection, to.run)
            await _tell(connection, operation, to)
            await record_attempt(connection, operation.id, attempt, outcome="succeeded")
        return to.run.progress

    async def _refused(self, run: Run, declined: ProviderDeclined) -> PerdureError:
        """Return what the customer has to do, and have the item say it too."""
        if declined.code == LOGIN_REQUIRED:
            await items.set_status(self._pool, run.item_id, ItemStatus.LOGIN_REQUIRED)
            return Refused(
                "The bank asks its customer to log in anew; once that is done, sync again.",
                code=LOGIN_REQUIRED,
            )
        if declined.code == ITEM_GONE:
            await items.set_status(self._pool, run.item_id, ItemStatus.GONE)
            return Refused(
                "The bank tells nothing of it any more; have its customer link it anew.",
                code=ITEM_GONE,
            )
        return declined


async def _tell(connection: Connection, operation: Operation, to: _Moved) -> None:
    """Have row, trail and whoever follows it know how far the sync is."""
    told = to_json(to.run.progress)
    await store.move(
        connection,
        operation,
        Status.PROCESSING,
        action=to.action,
        reason=to.reason,
        result=told,
        data=told,
    )


def _behind(run: Run, page: TransactionsPage, changes: int) -> Run:
    """Return where a run is behind a page.

    Raises:
        PerdureError: `pages_without_end`.
    """
    empty_pages = run.empty_pages + (1 if page.has_more and not changes else 0)
    if empty_pages > EMPTY_PAGES_MAX or run.pages >= PAGES_MAX:
        raise PerdureError(
            f"The aggregator says that there is more, after {run.pages} pages of which"
            f" {empty_pages} told nothing.",
            code="pages_without_end",
        )
    return replace(
        run,
        # Who can tell nothing yet has no cursor either.
        cursor=page.next_cursor or run.cursor,
        pages=run.pages + 1,
        changes=run.changes + changes,
        empty_pages=empty_pages,
        is_complete=not page.has_more,
        is_ready=page.is_ready,
    )


def _begun_anew(run: Run) -> _Moved:
    if run.restarts >= BROKEN_MAX:
        raise PerdureError(
            f"What happened on the accounts changed {run.restarts + 1} times while it was read; go"
            " on with it when the bank is quieter.",
            code="pages_keep_changing",
        )
    if run.restarts >= RESTARTS_MAX and not run.is_full:
        return _read_again(run)
    again = _at_the_beginning(run, run.started_from)
    return _Moved(again, "loop_restarted", "What happened changed while its pages were read.")


def _read_again(run: Run) -> _Moved:
    again = replace(_at_the_beginning(run, ""), is_full=True)
    return _Moved(again, "resync_begun", "Everything is read again, from no cursor.")


def _at_the_beginning(run: Run, cursor: str) -> Run:
    return replace(
        run,
        started_from=cursor,
        cursor=cursor,
        pages=0,
        changes=0,
        empty_pages=0,
        restarts=run.restarts + 1,
    )


def _too_often(sync: BankSyncInput, busy: ProviderRateLimited) -> TurnPending:
    """Return that it is this item's turn later: the limit is its own, and nobody else's to wait."""
    spread_s = hash(sync.operation_id) % _SPREAD_S
    return TurnPending(
        busy.message, retry_after_s=max(busy.retry_after_s or 0.0, _AGAIN_S) + spread_s
    )


def _ended(sync: BankSyncInput) -> Conflict:
    return Conflict(f"{sync.operation_id} has ended.", code="operation_finished")
