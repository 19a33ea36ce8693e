"""`/v1/bank-items`: what customers have linked, and what happened on it; and the webhooks of it."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    own_customer,
)
from perdure.api.idempotency import Answer, KeyOfRequest, answer_once
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.outside import CALLBACK_CODES, RoutesProvider
from perdure.api.schemas import CustomerId, Page, PageQuery, RequestBody, Text, page_of
from perdure.bank_sync import items, linking, transactions
from perdure.bank_sync.acceptance import BankSyncAcceptance, item_not_found
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.items import Account, Item, ItemStatus
from perdure.bank_sync.transactions import Transaction
from perdure.core.ids import new_id
from perdure.operations.model import Operation
from perdure.providers.aggregator import AGGREGATOR_ROLE
from perdure.storage.pool import Connection
from perdure.storage.row_security import seen

log = structlog.get_logger()

_aggregator = RoutesProvider(AGGREGATOR_ROLE)
check_aggregator = _aggregator.check


router = APIRouter(prefix="/v1/bank-items", tags=["bank_items"], lifespan=_aggregator.lifespan)
callbacks = APIRouter(prefix="/v1/callbacks", tags=["callbacks"])

_OUTSIDE: Final = ("provider_unavailable", "provider_rate_limited", "provider_outcome_unknown")
Reader = Annotated[ApiKey, Depends(caller_with("bank-syncs:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("bank-syncs:write"))]


class LinkTokenBody(RequestBody):
    """Who is to link."""

    customer_id: CustomerId


class LinkTokenView(BaseModel):
    """With it, the aggregator's dialogue is opened."""

    object: Literal["bank_link_token"] = "bank_link_token"
    token: str = Field(description="What the dialogue is opened with.")
    expires_at: datetime = Field(description="From then on another one is needed.")


class BankItemBody(RequestBody):
    """What a customer has linked."""

    customer_id: CustomerId
    public_token: Text = Field(description="What the aggregator's dialogue gave.")


class BankAccountView(BaseModel):
    """An account of an item."""

    id: str = Field(description="The aggregator's own.")
    name: str = Field(description="What its holder or its bank calls it.")
    kind: str = Field(description="`depository`, `credit`, `loan`, …")
    subtype: str | None = Field(description="`checking`, `credit card`, …")
    mask: str | None = Field(description="The last characters of its number.")
    currency: str | None


class BankItemView(BaseModel):
    """A login of a customer at a bank."""

    object: Literal["bank_item"] = "bank_item"
    id: str
    customer_id: str
    institution: str | None = Field(description="The bank.")
    status: ItemStatus = Field(
        description="`login_required`: its customer has to log in at the bank anew; `gone`,"
        " `unlinked`: nothing of it is read any more."
    )
    syncing: str | None = Field(description="The sync that reads it now.")
    synced_at: datetime | None = Field(description="When it was read to the end last.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, item: Item) -> "BankItemView":
        """Show one: where it was read up to is nobody's concern."""
        shown = {name: value for name, value in asdict(item).items() if name in cls.model_fields}
        return cls(**shown)


class BankItemWithAccountsView(BankItemView):
    """A login of a customer at a bank, with its accounts."""

    accounts: list[BankAccountView] = Field(description="Those that were told of so far.")

    @classmethod
    def with_accounts(cls, item: Item, found: list[Account]) -> "BankItemWithAccountsView":
        """Show one with its accounts."""
        accounts = [BankAccountView(**asdict(one)) for one in found]
        return cls(**BankItemView.of(item).model_dump(), accounts=accounts)


class CategoryView(BaseModel):
    """What a transaction is for."""

    primary: str = Field(description="In the second version of Plaid's taxonomy.")
    detailed: str = Field(description="A part of the primary one.")
    confidence_level: str = Field(description="`VERY_HIGH` to `LOW`, or `UNKNOWN`.")


class BankTransactionView(BaseModel):
    """A transaction of an account at a bank."""

    object: Literal["bank_transaction"] = "bank_transaction"
    id: str = Field(description="The aggregator's own.")
    item_id: str
    account_id: str
    amount_minor: int = Field(description="A positive one leaves the account.")
    currency: str
    booked_on: date = Field(description="The day it was booked, or happened while it is pending.")
    authorized_on: date | None = Field(description="The day it was authorized.")
    name: str = Field(description="As the bank writes it.")
    merchant: str | None = Field(description="Who it was with, as far as can be read.")
    method: str | None = Field(description="`card`, `direct_debit`, `transfer`, `cash`, `other`.")
    channel: str | None = Field(description="`online`, `in store` or `other`.")
    pending: bool = Field(description="It is not booked yet.")
    pending_id: str | None = Field(description="The id it had while it was pending.")
    category: CategoryView | None = Field(description="What it is for.")
    flags: list[dict[str, Any]] = Field(
        description="Why it stands out among the account's own: `rule`, `reason`, `score`."
    )
    entry_id: str | None = Field(description="Its entry in the ledger; null: it is not booked.")
    updated_at: datetime

    @classmethod
    def of(cls, found: Transaction) -> "BankTransactionView":
        """Show one."""
        shown = {name: value for name, value in asdict(found).items() if name in cls.model_fields}
        category = None
        if found.category_primary is not None:
            category = CategoryView(
                primary=found.category_primary,
                detailed=str(found.category_detailed),
                confidence_level=str(found.category_confidence),
            )
        return cls(**shown, category=category)


class BankItemsQuery(PageQuery):
    """Which items."""

    customer_id: CustomerId | None = Field(default=None, description="Only this one's.")


@router.post("/link-token", status_code=201, openapi_extra=refuses("other_customer", *_OUTSIDE))
async def create_token(request: Request, body: LinkTokenBody, caller: Writer) -> LinkTokenView:
    """Return a token with which a customer links an account at a bank."""
    check_customer(caller, body.customer_id)
    aggregator = await _aggregator.get(request.app)
    made = await aggregator.create_link_token(body.customer_id, new_id("lnk"))
    return LinkTokenView(token=made.token, expires_at=made.expires_at)


@router.post(
    "",
    status_code=201,
    response_model=BankItemView,
    openapi_extra=refuses(
        "other_customer",
        "item_linked",
        "public_token_refused",
        "customer_erased",
        *_OUTSIDE,
    ),
)
async def link(
    request: Request,
    body: BankItemBody,
    platform: PlatformOfApp,
    caller: Writer,
    key: KeyOfRequest,
) -> Response:
    """Keep what a customer has linked, and begin to read it."""
    check_customer(caller, body.customer_id)
    aggregator = await _aggregator.get(request.app)
    begun: list[Operation] = []

    async def act(connection: Connection) -> Answer:
        # Within the key's turn, as a public token may be good for one call.
        found, sync = await linking.link(
            connection,
            aggregator,
            platform.kinds.own(AccessTokens),
            platform.kinds.own(BankSyncAcceptance),
            customer_id=body.customer_id,
            public_token=body.public_token,
            actor=caller.actor,
        )
        begun.append(sync)
        return Answer.of(201, BankItemView.of(found))

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, act
    )
    for sync in begun:
        await platform.operations.begin(sync)
    return answer.response()


@router.get("", openapi_extra=refuses("other_customer"))
async def list_items(
    platform: PlatformOfApp, caller: Reader, query: Annotated[BankItemsQuery, Query()]
) -> Page[BankItemView]:
    """List bank items, newest first."""
    async with seen(platform.pool) as connection:
        found = await items.listed(
            connection,
            customer_id=own_customer(caller, query.customer_id),
            before=query.starting_after,
            limit=query.limit + 1,
        )
    return page_of(found, query.limit, BankItemView.of, router.prefix)


@router.get("/{item_id}", openapi_extra=refuses("item_not_found"))
async def get_item(
    item_id: Text, platform: PlatformOfApp, caller: Reader
) -> BankItemWithAccountsView:
    """Return a bank item, with its accounts."""
    found = await _visible(platform, caller, item_id)
    async with seen(platform.pool) as connection:
        accounts = await items.accounts_of(connection, item_id)
    return BankItemWithAccountsView.with_accounts(found, accounts)


@router.get("/{item_id}/transactions", openapi_extra=refuses("item_not_found"))
async def list_transactions(
    item_id: Text, platform: PlatformOfApp, caller: Reader, query: Annotated[PageQuery, Query()]
) -> Page[BankTransactionView]:
    """List what happened on a bank item's accounts, the latest first."""
    await _visible(platform, caller, item_id)
    async with seen(platform.pool) as connection:
        found = await transactions.listed(
            connection, item_id, after=query.starting_after, limit=query.limit + 1
        )
    url = f"{router.prefix}/{item_id}/transactions"
    return page_of(found, query.limit, BankTransactionView.of, url)


@router.delete("/{item_id}", openapi_extra=refuses("item_not_found", "sync_in_progress", *_OUTSIDE))
async def unlink(
    request: Request, item_id: Text, platform: PlatformOfApp, caller: Writer
) -> BankItemView:
    """Have nothing of a bank item be read any more; what was read stays."""
    await _visible(platform, caller, item_id)
    aggregator = await _aggregator.get(request.app)
    async with platform.operations.transaction() as connection:
        found = await linking.unlink(
            connection, aggregator, platform.kinds.own(AccessTokens), item_id
        )
    return BankItemView.of(found)


async def _visible(platform: PlatformOfApp, caller: ApiKey, item_id: str) -> Item:
    async with seen(platform.pool) as connection:
        found = await items.find(connection, item_id)
    if found is None or not caller.sees(found.customer_id):
        raise item_not_found(item_id)
    return found


class AggregatorReceipt(BaseModel):
    """What became of a webhook."""

    object: Literal["bank_webhook_receipt"] = "bank_webhook_receipt"
    received: Literal[True] = Field(default=True, description="It was taken.")
    item_id: str | None = Field(description="Null: it names no item of ours.")
    sync_id: str | None = Field(description="The sync that it led to; null: to none.")


@callbacks.post(
    "/aggregator",
    responses={202: {"model": AggregatorReceipt, "description": "Nothing comes of it."}},
    openapi_extra=refuses(*CALLBACK_CODES),
)
async def receive_aggregator_webhook(
    request: Request, response: Response, platform: PlatformOfApp
) -> AggregatorReceipt:
    """Take what the aggregator tells of an item, signed as Plaid signs.

    Only that there are updates, or a login, matters; webhooks of earlier days are taken, and
    nothing comes of them.
    """
    aggregator = await _aggregator.get(request.app)
    event = await aggregator.read_webhook(request.headers, await request.body())
    async with platform.operations.transaction() as connection:
        heard = await linking.hear(connection, platform.kinds.own(BankSyncAcceptance), event)
    if heard.sync is not None and not heard.sync.is_repeat:
        await platform.operations.begin(heard.sync)
    if heard.is_nothing:
        log.info("webhook_of_nothing", type=event.type, item_id=event.item_id)
        response.status_code = 202
    return AggregatorReceipt(
        item_id=heard.item.id if heard.item else None,
        sync_id=heard.sync.id if heard.sync else None,
    )
