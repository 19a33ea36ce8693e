"""How a transfer is paid for and given back, and what the customer is told of it."""

from dataclasses import asdict
from typing import Final

from perdure.capability.funded import FundedKind, Funds, Success
from perdure.core.money import format_amount
from perdure.ledger.chart import SystemAccount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import failure_to_customer, to_customer
from perdure.operations.refunding import RefundableKind, all_that_was_asked
from perdure.transfers.contracts import BANK, KIND, CloseTransfer, SettleTransfer
from perdure.transfers.process import CLOSE, HOLD, SETTLE


def success(given: SettleTransfer) -> Success:
    """Return what commits with a transfer's success."""
    request = given.transfer.request
    amount = format_amount(request.amount_minor, request.currency)
    messages = to_customer(
        request, f"You transferred {amount}", f"{amount} is on its way to {request.destination}."
    )
    return Success(messages, {"payout": asdict(given.payout)})


def failure_messages(given: CloseTransfer) -> list[Message]:
    """Return what the customer is told of a transfer that did not come about."""
    request = given.transfer.request
    amount = format_amount(request.amount_minor, request.currency)
    return failure_to_customer(request, f"Your transfer of {amount}", given.failure)


FUNDED: Final = FundedKind(
    verb="transfer",
    code=KIND,
    taken_by=SystemAccount.BANK,
    hold=HOLD,
    settle=SETTLE,
    close=CLOSE,
    operation_id=lambda given: getattr(given, "transfer", given).operation_id,
    funds=Funds.asked,
    success=success,
    failure_messages=failure_messages,
)

REFUNDABLE_TRANSFERS: Final = RefundableKind(
    KIND,
    all_that_was_asked(FUNDED.taken_by, BANK),
    told="customer",
    final_refusals=frozenset({"payout_not_recallable"}),
)
