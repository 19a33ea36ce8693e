"""`/v1/statements` and `/v1/statement-accounts`: what banks say, and whose it is."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from perdure.api.acting import Acting
from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.idempotency import Answer, KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, PageQuery, Text, page_of
from perdure.core.errors import InvalidInput, NotFound
from perdure.reconciliation.statements import accounts, store, uploads
from perdure.reconciliation.statements.loading import StatementFile, load_in
from perdure.reconciliation.statements.schemas import (
    PartBody,
    PartView,
    StatementAccountBody,
    StatementAccountView,
    StatementFileBody,
    StatementLinesQuery,
    StatementLineView,
    StatementsQuery,
    StatementsView,
    StatementView,
)
from perdure.storage.pool import Connection

statements = APIRouter(prefix="/v1/statements", tags=["statements"])
statement_accounts = APIRouter(prefix="/v1/statement-accounts", tags=["statement-accounts"])

Reader = Annotated[ApiKey, Depends(house_caller_with("statements:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("statements:write"))]


async def _acting(
    request: Request, platform: PlatformOfApp, caller: Writer, key: KeyOfRequest
) -> Acting:
    return Acting(request, platform, caller, key)


OnStatements = Annotated[Acting, Depends(_acting)]


@statements.post(
    "/parts",
    status_code=201,
    openapi_extra=refuses("house_only", "upload_part_differs"),
)
async def upload_part(body: PartBody, platform: PlatformOfApp, _caller: Writer) -> PartView:
    """Keep a part of a file that is larger than one request; for a day, or until it is loaded."""
    async with platform.operations.transaction() as connection:
        upload_id = await uploads.put(
            connection, body.upload_id, body.number, base64.b64decode(body.content)
        )
    return PartView(upload_id=upload_id, number=body.number)


@statements.post(
    "",
    status_code=201,
    response_model=StatementsView,
    openapi_extra=refuses(
        *("house_only", "invalid_statement", "invalid_encoding", "invalid_header", "invalid_csv"),
        *("unsafe_xml", "statement_sum", "statement_not_final", "currency_mismatch"),
        *("unknown_currency", "statement_account_not_found", "upload_not_found"),
        *("statement_loaded", "statement_gap"),
    ),
)
async def load_statements(body: StatementFileBody, acting: OnStatements) -> Response:
    """Load a file's statements: all of them, or none; what is wrong names line and field."""

    async def act(connection: Connection) -> Answer:
        async with _content(connection, body) as content:
            file = StatementFile(
                name=body.file_name,
                content=content,
                source=body.source,
                format=body.format,
                allow_gap=body.allow_gap,
            )
            loaded = await load_in(connection, file, actor=acting.caller.actor)
        if body.upload_id is not None:
            await uploads.forget(connection, body.upload_id)
        return Answer.of(201, StatementsView(data=[StatementView.of(one) for one in loaded]))

    return await acting.answer(act)


@asynccontextmanager
async def _content(connection: Connection, body: StatementFileBody) -> AsyncIterator[BinaryIO]:
    if (body.content is None) == (body.upload_id is None):
        raise InvalidInput("Give the content, or the upload that has it.", param="content")
    if body.upload_id is not None:
        async with uploads.opened(connection, body.upload_id) as file:
            yield file
    else:
        yield BytesIO(base64.b64decode(body.content or ""))


@statements.get("", openapi_extra=refuses("house_only"))
async def list_statements(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[StatementsQuery, Query()]
) -> Page[StatementView]:
    """List statements, the last loaded first."""
    found = await store.find(
        platform.pool,
        source=query.source,
        starting_after=query.starting_after,
        limit=query.limit + 1,
    )
    return page_of(found, query.limit, StatementView.of, statements.prefix)


@statements.get("/{statement_id}", openapi_extra=refuses("house_only", "statement_not_found"))
async def get_statement(
    statement_id: Text, platform: PlatformOfApp, _caller: Reader
) -> StatementView:
    """Return a statement."""
    found = await store.get(platform.pool, statement_id)
    if found is None:
        raise NotFound(
            f"There is no statement {statement_id}.", code="statement_not_found", param="id"
        )
    return StatementView.of(found)


@statements.get("/{statement_id}/lines", openapi_extra=refuses("house_only", "statement_not_found"))
async def list_lines(
    statement_id: Text,
    platform: PlatformOfApp,
    caller: Reader,
    query: Annotated[StatementLinesQuery, Query()],
) -> Page[StatementLineView]:
    """List a statement's entries, in their order."""
    await get_statement(statement_id, platform, caller)
    found = await store.lines(
        platform.pool, statement_id, after_id=query.starting_after, limit=query.limit + 1
    )
    url = f"{statements.prefix}/{statement_id}/lines"
    return page_of(found, query.limit, StatementLineView.of, url)


@statement_accounts.put(
    "/{source}",
    openapi_extra=refuses(
        "house_only", "account_not_found", "currency_mismatch", "unknown_currency"
    ),
)
async def put_account(
    source: Annotated[Text, Path(description="As statements name it: an IBAN, say.")],
    body: StatementAccountBody,
    platform: PlatformOfApp,
    caller: Writer,
) -> StatementAccountView:
    """Say which of our accounts a bank's statements are about, and how it writes them."""
    async with platform.operations.transaction() as connection:
        kept = await accounts.put(connection, body.account(source), actor=caller.actor)
    return StatementAccountView.of(kept)


@statement_accounts.get("", openapi_extra=refuses("house_only"))
async def list_accounts(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[PageQuery, Query()]
) -> Page[StatementAccountView]:
    """List accounts outside, by their names."""
    found = await accounts.page(
        platform.pool, starting_after=query.starting_after, limit=query.limit + 1
    )
    return page_of(found, query.limit, StatementAccountView.of, statement_accounts.prefix)
