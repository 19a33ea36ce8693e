"""Giftcards: ordered at a provider, paid from an account."""

from typing import Final

from perdure import Capability, Shown, in_result
from perdure_giftcards.contracts import GiftcardRequest

GIFTCARDS: Final = Capability(
    name="giftcard",
    plural="giftcards",
    id_prefix="gft",
    workflow="Giftcard",
    help="Giftcards: ordered at a provider, paid from an account.",
    request=GiftcardRequest,
    wire="perdure_giftcards.money:wire",
    work="perdure_giftcards.work:work",
    calls=("perdure_giftcards.provider:GIFTCARD_ROLE",),
    shows=(Shown("order_id", str | None, in_result("order", "id"), "The provider's own id."),),
    has_lane=True,
    refundable="perdure_giftcards.money:REFUNDABLE",
    invariants="perdure_giftcards.verify:INVARIANTS",
    books=("perdure_giftcards.verify:GIFTCARD_BOOKS",),
    chaos="perdure_giftcards.chaos:LOAD",
)
