"""A giftcard's decisions, without effects."""

from dataclasses import replace

from perdure import (
    ProviderDeclined,
    check_amount,
    check_party,
    check_text,
)
from perdure_giftcards.contracts import GiftcardRequest, OrderOutcome


def check_request(request: GiftcardRequest) -> GiftcardRequest:
    """Return a request as it is kept; refuse one that can never become a giftcard.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    return replace(
        check_amount(request),
        item=check_text("item", request.item),
        customer=check_party("customer", request.customer),
    )


def check_fulfilled(order: OrderOutcome) -> None:
    """Let an order pass that the provider fulfilled.

    Raises:
        ProviderDeclined: It was revoked there.
    """
    if order.status != "fulfilled":
        raise ProviderDeclined("The provider has revoked the order.", code="order_revoked")
