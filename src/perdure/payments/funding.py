"""How a payment's money is taken from the payer's account."""

from dataclasses import asdict
from datetime import date
from operator import attrgetter
from typing import Final

from perdure.capability.funded import FundedKind, FundedSteps, Funds, Success
from perdure.core.clock import Clock, utc_now
from perdure.ledger.chart import SystemAccount
from perdure.ledger.store import LedgerStore
from perdure.operations.steps import TransactionalSteps
from perdure.payments import daily_totals
from perdure.payments.acceptance import VERB
from perdure.payments.contracts import KIND, ClosePayment, Held, HoldFunds, SettlePayment
from perdure.payments.daily_totals import DailyTotals
from perdure.payments.messages import failure_messages, success_messages
from perdure.payments.process import CLOSE, HOLD, SETTLE
from perdure.storage.pool import Connection, Pool


def _funds(given: HoldFunds) -> Funds:
    return Funds.asked(given.payment, given.daily_limit_minor)


def _success(given: SettlePayment) -> Success:
    return Success(success_messages(given.payment), {"charge": asdict(given.charge)})


async def _take_off(connection: Connection, given: ClosePayment, held: Held) -> None:
    if held.counted_on is not None:
        day = date.fromisoformat(held.counted_on)
        await daily_totals.take_off_many(connection, [given.payment.request], day)


FUNDED: Final = FundedKind(
    verb=VERB,
    code=KIND,
    taken_by=SystemAccount.GATEWAY_CLEARING,
    hold=HOLD,
    settle=SETTLE,
    close=CLOSE,
    operation_id=attrgetter("payment.operation_id"),
    funds=_funds,
    success=_success,
    failure_messages=failure_messages,
    on_release=_take_off,
)


def funded_steps(
    pool: Pool,
    steps: TransactionalSteps,
    ledger: LedgerStore[Connection],
    *,
    clock: Clock = utc_now,
) -> FundedSteps[HoldFunds, SettlePayment, ClosePayment]:
    """Return a payment's steps on our own database, which count it against the daily limit."""
    return FundedSteps(pool, steps, ledger, FUNDED, counter=DailyTotals(clock))
