"""The one way in to bulks: previewed, accepted, looked at, and acted on themselves.

A bulk is an operation: pausing it is parking it, and stopping it is cancelling it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from perdure.core.errors import Conflict, InvalidInput
from perdure.core.ids import BULK, new_id
from perdure.core.text import check_text
from perdure.operations import store as operation_store
from perdure.operations.also import NOTHING_ELSE, Also
from perdure.operations.bulk import lists, selection, store
from perdure.operations.bulk.actions import bulk_action
from perdure.operations.bulk.lists import BulkList
from perdure.operations.bulk.model import (
    RATE_PER_S_MAX,
    RATE_PER_S_MIN,
    UNCONFIRMED_MAX,
    Bulk,
    BulkItem,
    BulkPreview,
    BulkProgress,
    BulkQuery,
    BulkRequest,
    ItemState,
    ListedIds,
    NewBulk,
    Selection,
)
from perdure.operations.model import By, Status
from perdure.operations.service import OperationService
from perdure.storage.pool import Connection, Pool, transaction


class BulkService:
    """Accepts and shows bulks for the API, the CLI and the console.

    Every method that is given a bulk's id raises `NotFound` (`bulk_not_found`), and every one that
    acts on one raises `InvalidInput` (`reason_required`).
    """

    def __init__(self, pool: Pool, operations: OperationService) -> None:
        self._pool = pool
        self._operations = operations

    async def preview(self, wanted: Selection) -> BulkPreview:
        """Return what a selection matches now; nothing is stored.

        Raises:
            InvalidInput: The selection is not one.
        """
        wanted = _checked(wanted)
        async with transaction(self._pool) as connection:
            return await selection.preview(connection, wanted)

    async def create(self, new: NewBulk, *, actor: str) -> Bulk:
        """Accept a bulk and have it carried out; raises as `accept`."""
        async with transaction(self._pool) as connection:
            bulk = await self.accept(connection, new, actor=actor)
        await self.begin(bulk)
        return bulk

    async def accept(self, connection: Connection, new: NewBulk, *, actor: str) -> Bulk:
        """Store a bulk; it is carried out once `begin` is called, or the janitor comes by.

        Raises:
            InvalidInput: Names the field.
            NotFound: `bulk_list_not_found`.
            Conflict: `nothing_selected`, `confirmation_required`, `count_changed`,
                `bulk_list_taken`.
        """
        By(actor, new.reason).check()
        bulk_action(new.action).check(new.arguments)
        check_rate(new.rate_per_s)
        wanted = _checked(new.selection)
        query = wanted if isinstance(wanted, BulkQuery) else None
        list_id = wanted.list_id if isinstance(wanted, ListedIds) else None
        counted = await selection.count(connection, wanted)
        is_everything = query is not None and query.is_everything
        check_count(counted, new.confirm_count, is_everything=is_everything)
        request = BulkRequest(
            new.action, new.reason, actor, dict(new.arguments), query, list_id=list_id
        )
        bulk = await store.accept(
            connection,
            new_id(BULK),
            request,
            counted=counted,
            rate_per_s=new.rate_per_s,
            operation_ids=wanted if isinstance(wanted, tuple) else None,
        )
        if list_id is not None:
            await lists.take(connection, list_id, bulk.id)
        return bulk

    async def add_to_list(self, list_id: str, operation_ids: Sequence[str]) -> BulkList:
        """Add ids to a list that a bulk is to be about; raises as `lists.add`."""
        async with transaction(self._pool) as connection:
            return await lists.add(connection, list_id, _checked_ids(operation_ids))

    async def begin(self, bulk: Bulk) -> None:
        """Have an accepted bulk carried out."""
        await self._operations.begin(bulk.operation)

    async def undo(
        self,
        connection: Connection,
        bulk_id: str,
        by: By,
        *,
        rate_per_s: float | None = None,
        confirm_count: int | None = None,
    ) -> Bulk:
        """Store a bulk of the inverse action over the operations that this one acted on.

        Args:
            rate_per_s: None: that of the bulk to be undone.

        Raises:
            Conflict: `not_undoable`: nothing undoes the action; `bulk_under_way`;
                `nothing_selected`, `confirmation_required`, `count_changed`.
        """
        by.check()
        bulk = await store.get_locked(connection, bulk_id)
        action = bulk_action(bulk.request.action)
        if action.inverse is None:
            raise Conflict(
                f"{bulk_id} is a {bulk.request.action} of many: {action.why_no_inverse}",
                code="not_undoable",
                param="id",
            )
        if not bulk.operation.is_finished:
            raise Conflict(
                f"{bulk_id} is under way; stop it first.", code="bulk_under_way", param="id"
            )
        rate_per_s = rate_per_s if rate_per_s is not None else bulk.rate_per_s
        check_rate(rate_per_s)
        done = (await store.progress_of(connection, bulk_id)).done
        check_count(done, confirm_count)
        request = BulkRequest(action.inverse, by.reason, by.actor, undo_of=bulk_id)
        return await store.accept(
            connection, new_id(BULK), request, counted=done, rate_per_s=rate_per_s
        )

    async def pause(self, bulk_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Bulk:
        """Hold a bulk: no further operation is acted on until it is resumed.

        Raises:
            Conflict: `not_parkable`, `already_parked`.
        """
        await self.get(bulk_id)
        await self._operations.actions.park(bulk_id, by, also=also)
        return await self.get(bulk_id)

    async def resume(self, bulk_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Bulk:
        """Have a bulk go on that was paused, or whose workflow broke off.

        Raises:
            Conflict: `not_parked`.
        """
        await self.get(bulk_id)
        await self._operations.actions.resume(bulk_id, by, also=also)
        return await self.get(bulk_id)

    async def stop(self, bulk_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Bulk:
        """End a bulk where it is; what it did stays done, and the rest is skipped.

        Raises:
            Conflict: `not_cancellable`: it has ended.
        """
        await self.get(bulk_id)
        await self._operations.actions.cancel(bulk_id, by, also=also)
        return await self.get(bulk_id)

    async def set_rate(
        self, bulk_id: str, rate_per_s: float, by: By, *, also: Also = NOTHING_ELSE
    ) -> Bulk:
        """Change how many operations a bulk acts on a second; it keeps to it within a second.

        Raises:
            Conflict: `bulk_ended`.
        """
        by.check()
        check_rate(rate_per_s)
        async with transaction(self._pool) as connection:
            await also.before(connection)
            bulk = await store.get_locked(connection, bulk_id)
            if bulk.operation.is_finished:
                raise Conflict(f"{bulk_id} has ended.", code="bulk_ended", param="id")
            await store.set_rate(connection, bulk_id, rate_per_s)
            await operation_store.note(
                connection,
                bulk.operation,
                actor=by.actor,
                action="rate_changed",
                reason=by.reason,
                data={"before": bulk.rate_per_s, "after": rate_per_s},
            )
            await also.after(connection, None)
        return replace(bulk, rate_per_s=rate_per_s)

    async def get(self, bulk_id: str) -> Bulk:
        """Return a bulk."""
        return await store.get(self._pool, bulk_id)

    async def progress(self, bulk_ids: Sequence[str]) -> dict[str, BulkProgress]:
        """Return how far bulks are, by their ids: what the database says, whoever runs them."""
        return await store.progress(self._pool, bulk_ids)

    async def progress_of(self, bulk_id: str) -> BulkProgress:
        """Return how far one bulk is."""
        return await store.progress_of(self._pool, bulk_id)

    async def find(
        self, *, status: Status | None = None, starting_after: str | None = None, limit: int = 10
    ) -> list[Bulk]:
        """Return bulks, newest first, at most `limit` beyond the cursor."""
        return await store.find(
            self._pool, status=status, starting_after=starting_after, limit=limit
        )

    async def items(
        self,
        bulk_id: str,
        *,
        state: ItemState | None = None,
        after_number: int = 0,
        limit: int = 10,
    ) -> list[BulkItem]:
        """Return a bulk's items in their order, at most `limit` beyond a number."""
        await self.get(bulk_id)
        return await store.items(
            self._pool, bulk_id, state=state, after_number=after_number, limit=limit
        )


def check_rate(rate_per_s: float) -> None:
    """Refuse a rate that cannot be kept.

    Raises:
        InvalidInput: `invalid_rate`.
    """
    if not (math.isfinite(rate_per_s) and RATE_PER_S_MIN <= rate_per_s <= RATE_PER_S_MAX):
        raise InvalidInput(
            f"Give a rate between {RATE_PER_S_MIN:g} and {RATE_PER_S_MAX:g} operations a second.",
            code="invalid_rate",
            param="rate_per_s",
        )


def check_count(counted: int, confirmed: int | None, *, is_everything: bool = False) -> None:
    """Refuse a bulk over nothing, or over more operations than whoever asks for it knows of.

    Args:
        is_everything: The query has no criterion; so its number is always confirmed.

    Raises:
        Conflict: `nothing_selected`, `confirmation_required`, `count_changed`.
    """
    if not counted:
        raise Conflict("No operation matches; nothing is done.", code="nothing_selected")
    if confirmed is None and (is_everything or counted > UNCONFIRMED_MAX):
        raise Conflict(
            f"These are {counted} operations; confirm their number with confirm_count.",
            code="confirmation_required",
            param="confirm_count",
        )
    if confirmed is not None and confirmed != counted:
        raise Conflict(
            f"These are {counted} operations, not {confirmed}; look at them again.",
            code="count_changed",
            param="confirm_count",
        )


def _checked(wanted: Selection) -> Selection:
    if isinstance(wanted, BulkQuery):
        return selection.check_query(wanted)
    return wanted if isinstance(wanted, ListedIds) else _checked_ids(wanted)


def _checked_ids(wanted: Sequence[str]) -> tuple[str, ...]:
    if len(wanted) > lists.IDS_MAX:
        raise InvalidInput(f"Give at most {lists.IDS_MAX:,} ids.", param="ids")
    # Named twice, an operation is acted on once.
    ids = tuple(dict.fromkeys(wanted))
    for operation_id in ids:
        check_text("ids", operation_id)
    return ids
