"""How a giftcard's money is taken from the customer's account."""

from dataclasses import asdict
from typing import Final

from perdure import (
    FundedKind,
    Funds,
    Success,
    SystemAccount,
)
from perdure_giftcards.contracts import KIND, CloseGiftcard, GiftcardInput, SettleGiftcard
from perdure_giftcards.messages import failure_messages, success_messages
from perdure_giftcards.process import CLOSE, HOLD, SETTLE

VERB: Final = "pay"
"""What the customer wants to do, as messages about the account say it."""

TAKEN_BY: Final = SystemAccount.ASSETS_CLEARING
"""The house's account that the money goes to: what we owe for what was ordered."""


def _operation_id(given: GiftcardInput | SettleGiftcard | CloseGiftcard) -> str:
    giftcard = given if isinstance(given, GiftcardInput) else given.giftcard
    return giftcard.operation_id


def _funds(giftcard: GiftcardInput) -> Funds:
    return Funds.asked(giftcard.operation_id, giftcard.request)


def _success(given: SettleGiftcard) -> Success:
    return Success(success_messages(given.giftcard), {"order": asdict(given.order)})


FUNDED: Final = FundedKind(
    verb=VERB,
    code=KIND,
    taken_by=TAKEN_BY,
    hold=HOLD,
    settle=SETTLE,
    close=CLOSE,
    operation_id=_operation_id,
    funds=_funds,
    success=_success,
    failure_messages=failure_messages,
)
