"""How a giftcard is taken in, paid for and given back, and what the customer is told of it."""

from dataclasses import asdict, replace
from typing import Final

from perdure import (
    FundedKind,
    Funds,
    Host,
    Message,
    RefundableKind,
    Success,
    SystemAccount,
    Wiring,
    all_that_was_asked,
    check_paid_request,
    check_text,
    failure_to_customer,
    format_amount,
    to_customer,
    wiring_of_one_effect,
)
from perdure_giftcards.capability import GIFTCARDS
from perdure_giftcards.contracts import (
    PROVIDER,
    UNAVAILABLE,
    FailedGiftcard,
    GiftcardRequest,
    OrderedGiftcard,
)
from perdure_giftcards.process import CLOSE, HOLD, ORDER, SETTLE


def _success(given: OrderedGiftcard) -> Success:
    request = given.request
    amount = format_amount(request.amount_minor, request.currency)
    messages = to_customer(
        request,
        f"Your giftcard for {amount}",
        f"Your giftcard ({request.item}) for {amount} is there.",
    )
    return Success(messages, {"order": asdict(given.order)})


def _failure_messages(given: FailedGiftcard) -> list[Message]:
    request = given.request
    what = f"Your giftcard for {format_amount(request.amount_minor, request.currency)}"
    return failure_to_customer(request, what, given.failure)


FUNDED: Final = FundedKind(
    verb="pay",
    code=GIFTCARDS.name,
    taken_by=SystemAccount.ASSETS_CLEARING,
    hold=HOLD,
    settle=SETTLE,
    close=CLOSE,
    funds=Funds.asked,
    success=_success,
    failure_messages=_failure_messages,
)

REFUNDABLE: Final = RefundableKind(
    GIFTCARDS.name, all_that_was_asked(FUNDED.taken_by, PROVIDER), told="customer"
)


def check_request(request: GiftcardRequest) -> GiftcardRequest:
    """Return a request as it is kept; refuse one that can never become a giftcard.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    return replace(check_paid_request(request), item=check_text("item", request.item))


def wire(host: Host) -> Wiring:
    """Return what takes giftcards in."""
    return wiring_of_one_effect(
        host,
        GIFTCARDS,
        FUNDED,
        check_request=check_request,
        provider=PROVIDER,
        call=ORDER,
        unavailable=UNAVAILABLE,
    )
