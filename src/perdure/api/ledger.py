"""`/v1/ledger`: the books as a whole."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from perdure.api.account_schemas import LedgerTransferView
from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, PageQuery, Text, WholeList, page_of
from perdure.ledger.model import AccountKind
from perdure.ledger.trial_balance import TrialBalanceLine, trial_balance

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])

Reader = Annotated[ApiKey, Depends(house_caller_with("accounts:read"))]


class LedgerTransfersQuery(PageQuery):
    """Which transfers of the ledger."""

    account_id: Text | None = Field(default=None, description="Only this account's.")
    operation_id: Text | None = Field(default=None, description="Only this operation's.")


class TrialBalanceLineView(BaseModel):
    """One of the house's accounts, or all customers' together, in one currency."""

    object: Literal["trial_balance_line"] = "trial_balance_line"
    currency: str
    account: str = Field(description="The account's id; `customers`: all theirs together.")
    kind: AccountKind
    debits_minor: int = Field(description="What was debited in all, holds not counted.")
    credits_minor: int = Field(description="What was credited in all, holds not counted.")

    @classmethod
    def of(cls, line: TrialBalanceLine) -> "TrialBalanceLineView":
        """Show one."""
        return cls(**asdict(line) | {"kind": AccountKind(line.kind)})


@router.get("/transfers", openapi_extra=refuses("house_only", "missing_field"))
async def list_transfers(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[LedgerTransfersQuery, Query()]
) -> Page[LedgerTransferView]:
    """List the transfers of an account, of an operation, or of both, newest first."""
    async with platform.pool.acquire() as connection:
        found = await platform.ledger.list_transfers(
            connection,
            account_id=query.account_id,
            operation_id=query.operation_id,
            cursor=query.starting_after,
            limit=query.limit + 1,
        )
    return page_of(found, query.limit, LedgerTransferView.of, f"{router.prefix}/transfers")


@router.get("/trial-balance", openapi_extra=refuses("house_only"))
async def get_trial_balance(
    platform: PlatformOfApp, _caller: Reader
) -> WholeList[TrialBalanceLineView]:
    """List what was debited and credited in all; of each currency both are equal."""
    lines = await trial_balance(platform.pool, platform.balances)
    return WholeList(
        data=[TrialBalanceLineView.of(line) for line in lines],
        url=f"{router.prefix}/trial-balance",
    )
