"""How a transfer's money is taken from the customer's account."""

from dataclasses import asdict
from typing import Final

from perdure.capability.funded import FundedKind, Funds, Success
from perdure.ledger.chart import SystemAccount
from perdure.transfers.acceptance import VERB
from perdure.transfers.contracts import (
    KIND,
    CloseTransfer,
    SettleTransfer,
    TransferInput,
)
from perdure.transfers.messages import failure_messages, success_messages
from perdure.transfers.process import CLOSE, HOLD, SETTLE


def _operation_id(given: TransferInput | SettleTransfer | CloseTransfer) -> str:
    transfer = given if isinstance(given, TransferInput) else given.transfer
    return transfer.operation_id


def _funds(transfer: TransferInput) -> Funds:
    return Funds.asked(transfer.operation_id, transfer.request)


def _success(given: SettleTransfer) -> Success:
    return Success(success_messages(given.transfer), {"payout": asdict(given.payout)})


FUNDED: Final = FundedKind(
    verb=VERB,
    code=KIND,
    taken_by=SystemAccount.BANK,
    hold=HOLD,
    settle=SETTLE,
    close=CLOSE,
    operation_id=_operation_id,
    funds=_funds,
    success=_success,
    failure_messages=failure_messages,
)
