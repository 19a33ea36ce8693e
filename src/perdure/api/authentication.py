"""Bearer API keys: every route but health and callbacks names the scope it needs."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from perdure.api.keys import ApiKey, digest_of, find_key
from perdure.api.shares import RequestShares
from perdure.bootstrap import Platform
from perdure.core.claim import claim, other_customer
from perdure.core.errors import Forbidden, NotFound, Unauthenticated
from perdure.operations.model import Operation

_BEARER = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="perdure_…",
    description="An API key, with the scopes that a route names: `Authorization: Bearer perdure_…`",
    auto_error=False,
)


def platform_of(request: Request) -> Platform:
    """Return what the application works on."""
    platform: Platform = request.app.state.platform
    return platform


PlatformOfApp = Annotated[Platform, Depends(platform_of)]


def caller_with(scope: str) -> Callable[..., Awaitable[ApiKey]]:
    """Return a dependency: the key that calls, which has to have this scope.

    Raises:
        Unauthenticated: There is no key, or not a valid one.
        ProviderRateLimited: `too_many_requests`.
        Forbidden: `missing_scope`.
    """

    async def caller(
        request: Request,
        platform: PlatformOfApp,
        credentials: Annotated[
            HTTPAuthorizationCredentials | None, Security(_BEARER, scopes=[scope])
        ],
    ) -> ApiKey:
        if credentials is None:
            raise Unauthenticated(
                "Send an API key: Authorization: Bearer perdure_…", code="missing_api_key"
            )
        shares: RequestShares = request.app.state.shares
        digest = digest_of(credentials.credentials)
        shares.check(digest)
        key = await find_key(platform.pool, credentials.credentials)
        shares.take(digest, key)
        claim(key.customer_id)
        structlog.contextvars.bind_contextvars(actor=key.actor)
        if not key.allows(scope):
            raise Forbidden(
                f"The API key {key.prefix}… lacks the scope {scope}.", code="missing_scope"
            )
        return key

    return caller


def house_caller_with(scope: str) -> Callable[..., Awaitable[ApiKey]]:
    """Return a dependency: as `caller_with`, for what is the house's and no customer's.

    Raises:
        Unauthenticated: There is no key, or not a valid one.
        Forbidden: `missing_scope`, `house_only`.
    """

    async def caller(key: Annotated[ApiKey, Depends(caller_with(scope))]) -> ApiKey:
        if key.customer_id is not None:
            raise Forbidden(
                f"This API key is customer {key.customer_id}'s; this is the house's alone.",
                code="house_only",
            )
        return key

    return caller


def check_customer(caller: ApiKey, customer_id: str) -> None:
    """Refuse a request that names another customer than the key's own.

    Raises:
        Forbidden: `other_customer`.
    """
    if not caller.sees(customer_id):
        raise other_customer()


def own_customer(caller: ApiKey, customer_id: str | None) -> str | None:
    """Return the customer to list for: a customer's key lists its own, asked or not.

    Raises:
        Forbidden: `other_customer`.
    """
    if customer_id is not None:
        check_customer(caller, customer_id)
    return customer_id or caller.customer_id


async def visible_operation(
    platform: Platform, caller: ApiKey, operation_id: str, *, kind: str | None = None
) -> Operation:
    """Return an operation, unless it is of another kind, or not for this caller.

    Raises:
        NotFound: There is none, or the caller is not to know that there is.
    """
    noun = kind or "operation"
    try:
        operation = await platform.operations.get(operation_id)
    except NotFound:
        operation = None
    if (
        operation is None
        or (kind is not None and operation.kind != kind)
        or not caller.sees(operation.customer_id)
    ):
        raise NotFound(f"There is no {noun} {operation_id}.", code=f"{noun}_not_found", param="id")
    log_as_about(operation)
    return operation


def log_as_about(operation: Operation) -> None:
    """Have the log lines of this request name an operation, and its workflow if it has one."""
    structlog.contextvars.bind_contextvars(
        operation_id=operation.id,
        workflow_id=operation.id if operation.lane is None else None,
    )
