"""`/v1/accounts`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from perdure.api.account_schemas import (
    AccountBody,
    AccountsQuery,
    AccountView,
    BalanceView,
    DepositBody,
    DepositView,
    LedgerTransferView,
)
from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    house_caller_with,
    own_customer,
)
from perdure.api.deposits import record_deposit
from perdure.api.idempotency import Answer, KeyOfRequest, answer_once
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, PageQuery, Text, page_of
from perdure.bootstrap import Platform
from perdure.core.errors import InvalidInput, LimitExceeded, NotFound
from perdure.core.ids import ACCOUNT, new_id
from perdure.ledger.chart import ensure_system_accounts
from perdure.ledger.model import Account, AccountKind, NewAccount
from perdure.operations.model import Side
from perdure.operations.store import check_not_erased
from perdure.storage.pool import Connection
from perdure.storage.row_security import in_own_name, seen

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

Reader = Annotated[ApiKey, Depends(caller_with("accounts:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("accounts:write"))]
HouseWriter = Annotated[ApiKey, Depends(house_caller_with("accounts:write"))]
"""A customer cannot say what arrived at the bank."""


@router.post(
    "",
    status_code=201,
    response_model=AccountView,
    openapi_extra=refuses(
        "unknown_currency", "other_customer", "customer_erased", "too_many_accounts"
    ),
)
async def open_account(
    request: Request, body: AccountBody, platform: PlatformOfApp, caller: Writer, key: KeyOfRequest
) -> Response:
    """Open an account for a customer: we owe what is on it, and it cannot go below zero."""
    check_customer(caller, body.customer_id)

    async def open_one(connection: Connection) -> Answer:
        await check_not_erased(connection, body.customer_id)
        if caller.side == Side.CUSTOMER:
            await _check_share(platform, connection, body.customer_id)
        # The house's accounts in this currency are the other side of all it will do.
        await ensure_system_accounts(platform.ledger, connection, [body.currency])
        new = NewAccount(
            id=new_id(ACCOUNT),
            name=body.name,
            kind=AccountKind.LIABILITY,
            currency=body.currency,
            customer_id=body.customer_id,
        )
        async with in_own_name(connection):
            opened = await platform.ledger.open_account(connection, new)
        return Answer.of(201, AccountView.of(opened.account))

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, open_one
    )
    return answer.response()


@router.get("", openapi_extra=refuses("other_customer"))
async def list_accounts(
    platform: PlatformOfApp, caller: Reader, query: Annotated[AccountsQuery, Query()]
) -> Page[AccountView]:
    """List accounts, newest first, of one customer or of all."""
    async with seen(platform.pool) as connection:
        found = await platform.ledger.list_accounts(
            connection,
            customer_id=own_customer(caller, query.customer_id),
            cursor=query.starting_after,
            limit=query.limit + 1,
        )
    return page_of(found, query.limit, AccountView.of, router.prefix)


@router.get("/{account_id}", openapi_extra=refuses("account_not_found"))
async def get_account(account_id: Text, platform: PlatformOfApp, caller: Reader) -> AccountView:
    """Return an account."""
    async with seen(platform.pool) as connection:
        return AccountView.of(await _visible_account(platform, connection, caller, account_id))


@router.get("/{account_id}/balance", openapi_extra=refuses("account_not_found"))
async def get_balance(account_id: Text, platform: PlatformOfApp, caller: Reader) -> BalanceView:
    """Return what is on an account now."""
    async with seen(platform.pool) as connection:
        account = await _visible_account(platform, connection, caller, account_id)
        return BalanceView.of(account, await platform.ledger.balance(connection, account_id))


@router.get("/{account_id}/transfers", openapi_extra=refuses("account_not_found"))
async def list_transfers(
    account_id: Text,
    platform: PlatformOfApp,
    caller: Reader,
    query: Annotated[PageQuery, Query()],
) -> Page[LedgerTransferView]:
    """List an account's transfers, newest first."""
    async with seen(platform.pool) as connection:
        await _visible_account(platform, connection, caller, account_id)
        found = await platform.ledger.list_transfers(
            connection, account_id=account_id, cursor=query.starting_after, limit=query.limit + 1
        )
    return page_of(
        found, query.limit, LedgerTransferView.of, f"{router.prefix}/{account_id}/transfers"
    )


@router.post(
    "/{account_id}/deposits",
    status_code=201,
    response_model=DepositView,
    openapi_extra=refuses(
        "house_only",
        "account_not_found",
        "account_not_open",
        "not_a_customer_account",
        "unknown_currency",
        "currency_mismatch",
        "invalid_amount",
        "balance_overflow",
        "missing_idempotency_key",
        "idempotency_mismatch",
    ),
)
async def create_deposit(
    *,
    request: Request,
    account_id: Text,
    body: DepositBody,
    platform: PlatformOfApp,
    caller: HouseWriter,
    key: KeyOfRequest,
) -> Response:
    """Record money that arrived at the bank for an account; the bank is debited."""
    if key is None and body.reference is None:
        raise InvalidInput(
            "Give a reference, or the header Idempotency-Key: without either, sending this again"
            " would pay in twice.",
            code="missing_idempotency_key",
            param="reference",
        )

    async def deposit(connection: Connection) -> Answer:
        account = await _visible_account(platform, connection, caller, account_id)
        view = await record_deposit(connection, platform.ledger, account, body, actor=caller.actor)
        return Answer.of(201, view)

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, deposit
    )
    return answer.response()


async def _check_share(platform: Platform, connection: Connection, customer_id: str) -> None:
    """Refuse a customer one account too many; the house opens as many as it will.

    Raises:
        LimitExceeded: `too_many_accounts`.
    """
    most = platform.settings.customer_accounts_max
    # Those that open at the same time take turns, or each would count without the others.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"accounts\n{customer_id}"
    )
    opened = await connection.fetchval(
        "SELECT count(*) FROM ledger_accounts WHERE customer_id = $1", customer_id
    )
    if opened >= most:
        raise LimitExceeded(
            f"Customer {customer_id} has {opened} accounts, and opens at most {most} by itself.",
            code="too_many_accounts",
            param="customer_id",
        )


async def _visible_account(
    platform: Platform, connection: Connection, caller: ApiKey, account_id: str
) -> Account:
    try:
        account = await platform.ledger.get_account(connection, account_id)
    except NotFound:
        account = None
    if account is None or not caller.sees(account.customer_id):
        raise NotFound(f"There is no account {account_id}.", code="account_not_found", param="id")
    return account
