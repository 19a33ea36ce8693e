"""Bank items linked and unlinked, and what their aggregator tells of them by itself."""

from dataclasses import dataclass

from perdure.bank_sync import items
from perdure.bank_sync.acceptance import BankSyncAcceptance, in_progress
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.contracts import AGGREGATOR, BankSyncRequest
from perdure.bank_sync.items import ENDED, Item, ItemStatus
from perdure.core.errors import Conflict
from perdure.operations.model import Operation
from perdure.providers.aggregator import AggregatorEvent, BankAggregator, EventKind
from perdure.storage.pool import Connection


async def link(
    connection: Connection,
    aggregator: BankAggregator,
    tokens: AccessTokens,
    acceptance: BankSyncAcceptance,
    *,
    customer_id: str,
    public_token: str,
    actor: str,
) -> tuple[Item, Operation]:
    """Keep what a customer has linked, and take its first sync in; returns both.

    Raises:
        ProviderDeclined: `public_token_refused`.
        Conflict: `item_linked`: it is another customer's.
        ProviderError: The aggregator gave no answer.
    """
    linked = await aggregator.exchange(public_token)
    known = await aggregator.item(linked.access_token)
    item = await items.link(
        connection,
        customer_id=customer_id,
        provider_item_id=linked.item_id,
        institution=known.institution,
        access_token=await tokens.encrypted(linked.access_token, customer_id),
    )
    if item.customer_id != customer_id:
        raise Conflict("It is linked by another customer.", code="item_linked")
    request = BankSyncRequest(customer_id, item.id)
    sync = await acceptance.accept(connection, request, actor=actor)
    claimed = (await items.lock(connection, [item.id]))[item.id]
    return claimed, sync


async def unlink(
    connection: Connection, aggregator: BankAggregator, tokens: AccessTokens, item_id: str
) -> Item:
    """Have nothing of an item be read any more, here and at the aggregator; returns it.

    Raises:
        Conflict: `sync_in_progress`.
        ProviderError: The aggregator gave no answer; ask again.
    """
    item = (await items.lock(connection, [item_id]))[item_id]
    if item.syncing is not None:
        raise in_progress(item)
    kept = await items.access_token(connection, item_id)
    if kept is not None:
        await aggregator.remove_item(await tokens.decrypted(kept))
    await items.set_status(connection, item_id, ItemStatus.UNLINKED)
    return (await items.lock(connection, [item_id]))[item_id]


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of what the aggregator told.

    Args:
        item: Of which item; None: it is none of ours.
        sync: What it led to.
    """

    item: Item | None
    sync: Operation | None = None
    is_nothing: bool = False


async def hear(
    connection: Connection, acceptance: BankSyncAcceptance, event: AggregatorEvent
) -> Heard:
    """Do what a webhook calls for: a sync, or that the item says what its customer has to do."""
    item = None
    if event.kind != EventKind.OTHER:
        item = await items.by_provider_id(connection, event.item_id)
    if item is None or item.status in ENDED:
        return Heard(item, is_nothing=True)
    match event.kind:
        case EventKind.LOGIN_REQUIRED:
            await items.set_status(connection, item.id, ItemStatus.LOGIN_REQUIRED)
        case EventKind.GONE:
            await items.set_status(connection, item.id, ItemStatus.GONE)
        case EventKind.LOGIN_REPAIRED:
            await items.set_status(connection, item.id, ItemStatus.ACTIVE)
            return Heard(item, await _synced(connection, acceptance, item))
        case _:
            return Heard(item, await _synced(connection, acceptance, item))
    return Heard(item)


async def _synced(connection: Connection, acceptance: BankSyncAcceptance, item: Item) -> Operation:
    request = BankSyncRequest(item.customer_id, item.id)
    return await acceptance.accept(connection, request, actor=AGGREGATOR)
