"""What `perdure verify` checks of giftcards: in the ledger, and in the provider's own books."""

from typing import Final

from perdure import effect_books, effect_invariants, funded_invariants
from perdure_giftcards.capability import GIFTCARDS
from perdure_giftcards.contracts import ORDER_STATUSES
from perdure_giftcards.money import FUNDED
from perdure_giftcards.process import ORDER, REVOKE
from perdure_giftcards.provider import GIFTCARD_ROLE

INVARIANTS: Final = {
    **funded_invariants(GIFTCARDS, FUNDED.taken_by),
    **effect_invariants(GIFTCARDS, ORDER, REVOKE, ORDER_STATUSES, result="order"),
}
"""Each invariant's name and the query that finds what breaks it."""

GIFTCARD_BOOKS: Final = effect_books(
    GIFTCARDS,
    role=GIFTCARD_ROLE,
    entries="orders",
    statuses=ORDER_STATUSES,
)
