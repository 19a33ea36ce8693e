"""Giftcards: ordered at a provider, paid from an account."""

from typing import Final

from perdure import Capability, Shown, in_result
from perdure_giftcards.contracts import ID_PREFIX, KIND, WORKFLOW, GiftcardRequest

GIFTCARDS: Final = Capability(
    name=KIND,
    plural="giftcards",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Giftcards: ordered at a provider, paid from an account.",
    request=GiftcardRequest,
    wire="perdure_giftcards.wiring:wire",
    work="perdure_giftcards.work:work",
    settings="perdure_giftcards.settings:GiftcardSettings",
    outside="perdure_giftcards.outside:uses",
    shows=(
        Shown(
            "order_id",
            str | None,
            in_result("order", "order_id"),
            "The provider's own id, once it has succeeded.",
        ),
    ),
    has_lane=True,
    refundable="perdure_giftcards.refunds:REFUNDABLE_GIFTCARDS",
    invariants="perdure_giftcards.verify:INVARIANTS",
    books=("perdure_giftcards.verify:GIFTCARD_BOOKS",),
)
