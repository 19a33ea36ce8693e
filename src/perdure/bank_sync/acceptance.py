"""Taking syncs in: the item claimed in the transaction that stores the operation.

So whoever asks while one is under way finds the claim: that one is the answer, and the item is
read once more after it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from perdure.bank_sync import items
from perdure.bank_sync.contracts import (
    ID_PREFIX,
    ITEM_PREFIX,
    KIND,
    BankSyncInput,
    BankSyncRequest,
)
from perdure.bank_sync.items import ENDED, Item
from perdure.core.clock import Clock, utc_now
from perdure.core.errors import Conflict, NotFound, PerdureError
from perdure.core.ids import check_id, new_id
from perdure.core.notes import correctable
from perdure.core.text import check_identifier
from perdure.operations import store
from perdure.operations.acceptance import Acceptance, check_deadline
from perdure.operations.correction import Corrects, read_request
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection

_CORRECTABLE: Final = correctable(BankSyncRequest)


def item_not_found(item_id: str) -> NotFound:
    """Return what is said of an item that there is not, or not for who asks."""
    return NotFound(f"There is no bank item {item_id}.", code="item_not_found", param="item_id")


class BankSyncAcceptance(Acceptance[BankSyncRequest], Corrects[BankSyncRequest]):
    """Validates syncs and stores those that may begin; see `KindActions` too."""

    request_type = BankSyncRequest
    correctable = _CORRECTABLE

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[BankSyncRequest],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,  # noqa: ARG002 - each has a workflow of its own
        deadline_at: datetime | None = None,
    ) -> list[Operation | PerdureError]:
        """Store syncs; returns what became of each, in their order: stored, or why not."""
        locked = await items.lock(connection, {request.item_id for request in requests})
        outcomes: list[Operation | PerdureError] = []
        for request in requests:
            try:
                kept = self.check_request(request)
                item = locked.get(kept.item_id)
                if item is None or item.customer_id != kept.customer_id:
                    raise item_not_found(kept.item_id)
                check_deadline(deadline_at, self._clock())
                new = _new_operation(kept, metadata or {}, deadline_at)
                found = await self._accept(connection, item, new, actor)
            except PerdureError as error:
                outcomes.append(error)
                continue
            outcomes.append(found)
            if not found.is_repeat:
                locked[item.id] = replace(item, syncing=found.id)
        return outcomes

    async def accept_next(self, connection: Connection, item: Item) -> Operation | None:
        """Store the sync that was asked for while another was under way; None: none was.

        Args:
            item: As it was locked, with what it had asked for then; nobody has claimed it since.
        """
        if not item.sync_again or item.status in ENDED:
            return None
        request = BankSyncRequest(item.customer_id, item.id)
        found = await self.accept_many(connection, [request], actor=store.SYSTEM)
        return found[0] if isinstance(found[0], Operation) else None

    def check_request(self, request: BankSyncRequest) -> BankSyncRequest:
        """Return a request as it is kept; refuse one that can never become a sync.

        Raises:
            InvalidInput: A field is missing or malformed.
        """
        reference = request.reference
        return BankSyncRequest(
            customer_id=check_identifier("customer_id", request.customer_id),
            item_id=check_id(request.item_id, ITEM_PREFIX, param="item_id"),
            reference=None if reference is None else check_identifier("reference", reference),
        )

    async def accept_again(
        self,
        connection: Connection,
        operation: Operation,
        *,
        actor: str,
        lane: int | None = None,
    ) -> Operation:
        """Store a new sync with the request of one that failed; as `accept`.

        Raises:
            Conflict: `sync_in_progress`: another has begun since.
        """
        request = read_request(BankSyncRequest, operation.input["request"] | {"reference": None})
        item = (await items.lock(connection, [request.item_id])).get(request.item_id)
        if item is not None and item.syncing is not None:
            raise in_progress(item)
        return await self.accept(
            connection, request, actor=actor, metadata=operation.metadata, lane=lane
        )

    async def _accept(
        self, connection: Connection, item: Item, new: NewOperation, actor: str
    ) -> Operation:
        if item.syncing is not None:
            current = await store.get(connection, item.syncing)
            if new.reference not in (None, current.reference):
                # It may be that of one that has ended.
                return await self._known(connection, item, new)
            await items.ask_again(connection, item.id)
            return replace(current, is_repeat=True)
        if item.status in ENDED:
            raise Conflict(
                f"{item.id} is {item.status}, so nothing of it can be read any more; have its"
                " customer link it anew.",
                code="item_ended",
                param="item_id",
            )
        accepted = await store.accept(connection, new, actor=actor)
        if not accepted.is_repeat:
            await items.claim(connection, item.id, accepted.id)
        return accepted

    async def _known(self, connection: Connection, item: Item, new: NewOperation) -> Operation:
        found = await store.find(
            connection, kind=KIND, customer_id=new.customer_id, reference=new.reference, limit=1
        )
        if not found:
            raise in_progress(item)
        if found[0].asked_request != new.input["request"]:
            raise store.reference_taken(found[0])
        return replace(found[0], is_repeat=True)


def in_progress(item: Item) -> Conflict:
    """Return what is said where an item is being read."""
    return Conflict(
        f"{item.id} is being read by {item.syncing}; wait for its end, or cancel it.",
        code="sync_in_progress",
        param="item_id",
    )


def _new_operation(
    request: BankSyncRequest, metadata: dict[str, str], deadline_at: datetime | None
) -> NewOperation:
    sync_id = new_id(ID_PREFIX)
    return NewOperation(
        id=sync_id,
        kind=KIND,
        customer_id=request.customer_id,
        input=to_json(BankSyncInput(sync_id, request)),
        reference=request.reference,
        metadata=metadata,
        deadline_at=deadline_at,
    )
