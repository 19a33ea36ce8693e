"""What `perdure verify` checks of giftcards: in the ledger, and in the provider's own books."""

from typing import Final

from perdure import effect_books, effect_invariants, funded_invariants
from perdure_giftcards.capability import GIFTCARDS
from perdure_giftcards.contracts import ORDER_STATUSES, PROVIDER, Order
from perdure_giftcards.money import FUNDED
from perdure_giftcards.process import ORDER, REVOKE

INVARIANTS: Final = {
    **funded_invariants(GIFTCARDS, FUNDED.taken_by),
    **effect_invariants(GIFTCARDS, ORDER, REVOKE, ORDER_STATUSES, result="order"),
}
"""Each invariant's name and the query that finds what breaks it."""

GIFTCARD_BOOKS: Final = effect_books(
    GIFTCARDS,
    name=PROVIDER,
    path="/v1/orders",
    entry=Order,
    entries="orders",
    statuses=ORDER_STATUSES,
)
