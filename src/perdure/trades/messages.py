"""What the two sides of a trade are told; of each other they hear nothing."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import failure_told, messages_to
from perdure.trades.contracts import CloseTrade, SettleTrade, TradeRequest


def success_messages(given: SettleTrade) -> list[Message]:
    """Return what both are told of a trade that succeeded."""
    request = given.trade.request
    what = f"{request.quantity_lots} {request.asset}"
    paid = format_amount(request.paid_minor, request.currency)
    earned = format_amount(request.earned_minor, request.currency)
    bought = f"Trade {request.name}: {what} are yours. You paid {paid}, fees included."
    sold = f"Trade {request.name}: {earned} are on your account, fees taken off."
    return _to_both(request, (f"You bought {what}", bought), (f"You sold {what}", sold))


def failure_messages(given: CloseTrade) -> list[Message]:
    """Return what both are told of a trade that did not come about."""
    request, failure = given.trade.request, given.failure
    what = f"{request.quantity_lots} {request.asset}"
    return _to_both(
        request,
        failure_told(f"Your purchase of {what}", failure, "Your money is free again."),
        failure_told(f"Your sale of {what}", failure, f"The {request.asset} are free again."),
    )


def _to_both(
    request: TradeRequest, to_buyer: tuple[str, str], to_seller: tuple[str, str]
) -> list[Message]:
    return [
        *messages_to("buyer", request.buyer, *to_buyer, reference=None),
        *messages_to("seller", request.seller, *to_seller, reference=None),
    ]
