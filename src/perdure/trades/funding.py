"""How a trade's money goes on our books: from the buyer over the clearing account to the seller.

What is held was set aside in the commit that accepted the trade; what is posted of it, what the
seller gets and what the house earns commit together, so the clearing account is at zero again.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from perdure.capability.entries import hold_id, post_id
from perdure.capability.funded import FundedKind, FundedSteps, Funds, Success
from perdure.core.ids import TRANSFER, derived_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.operations.steps import TransactionalSteps
from perdure.storage.pool import Connection, Pool
from perdure.trades.contracts import KIND, CloseTrade, SettleTrade, TradeInput
from perdure.trades.messages import failure_messages, success_messages
from perdure.trades.orders.reservations import return_lots
from perdure.trades.process import CLOSE, OPEN, SETTLE


def _funds(trade: TradeInput) -> Funds:
    request = trade.request
    return Funds(
        trade.operation_id,
        request.buyer_customer_id,
        request.buyer_account_id,
        request.paid_minor,
        request.currency,
    )


def _success(given: SettleTrade) -> Success:
    request = given.trade.request
    result = {
        "delivered": asdict(given.delivered),
        "paid_minor": request.paid_minor,
        "earned_minor": request.earned_minor,
        "fees_minor": request.fees_minor,
        "currency": request.currency,
    }
    return Success(success_messages(given), result)


FUNDED: Final[FundedKind[TradeInput, SettleTrade, CloseTrade]] = FundedKind(
    verb="trade",
    code=KIND,
    taken_by=SystemAccount.ASSETS_CLEARING,
    hold=OPEN,
    held_as="opened",
    held_with_acceptance=True,
    settle=SETTLE,
    close=CLOSE,
    operation_id=lambda given: getattr(given, "trade", given).operation_id,
    funds=_funds,
    success=_success,
    failure_messages=failure_messages,
)


class TradeFunds(FundedSteps[TradeInput, SettleTrade, CloseTrade]):
    """A trade's steps on our own database."""

    def __init__(
        self, pool: Pool, steps: TransactionalSteps, ledger: LedgerStore[Connection]
    ) -> None:
        own = replace(
            FUNDED, before_settling=self._lock, on_success=self._pay_out, on_close=_return_lots
        )
        super().__init__(pool, steps, ledger, own)

    async def post(self, connection: Connection, given: SettleTrade) -> None:
        """Move a trade's money on our books, in the commit of whoever carries it out otherwise."""
        found = given.trade.operation_id
        await self._lock(connection, [given])
        await self._ledger.post_hold(connection, hold_id(found), post_id(found))
        await self._pay_out(connection, [given])

    async def _lock(self, connection: Connection, given: Sequence[SettleTrade]) -> None:
        """Have two commits that settle trades of the same people wait for each other in one order.

        A market maker is the buyer of one trade, and the seller of the next.
        """
        holds = [hold_id(one.trade.operation_id) for one in given]
        await self._ledger.lock_for(connection, holds, _payouts(given))

    async def _pay_out(self, connection: Connection, given: Sequence[SettleTrade]) -> None:
        payouts = _payouts(given)
        paid = await self._ledger.post_many(connection, payouts)
        for one in payouts:
            if one.id not in paid:
                await self._ledger.post(connection, one)  # says why not


async def _return_lots(connection: Connection, given: CloseTrade) -> None:
    await return_lots(connection, given.trade)


def _payouts(given: Sequence[SettleTrade]) -> list[NewTransfer]:
    """Return what leaves the clearing account with trades that succeed."""
    return [payout for one in given for payout in payouts_of(one.trade)]


def payouts_of(trade: TradeInput) -> list[NewTransfer]:
    """Return what leaves the clearing account with a trade that succeeds."""
    request = trade.request
    fees_account = system_account_id(SystemAccount.FEES, request.currency)
    return [
        NewTransfer(
            id=derived_id(TRANSFER, trade.operation_id, what),
            debit_account_id=system_account_id(FUNDED.taken_by, request.currency),
            credit_account_id=account_id,
            amount_minor=amount_minor,
            currency=request.currency,
            code=f"{KIND}_{what}",
            operation_id=trade.operation_id,
        )
        for what, account_id, amount_minor in (
            ("earned", request.seller_account_id, request.earned_minor),
            ("fees", fees_account, request.fees_minor),
        )
        if amount_minor
    ]
