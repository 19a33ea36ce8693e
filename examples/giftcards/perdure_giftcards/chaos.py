"""Giftcards as `perdure chaos` makes them, and what the provider's books say of each."""

from typing import Final

from perdure import SystemAccount
from perdure.chaos.load import Load, ProviderBooks, asks_for, kept_while
from perdure_giftcards.provider import GIFTCARD_ROLE
from perdure_giftcards.simulator import SOLD_OUT

ITEMS: Final = {"standard": 19, SOLD_OUT: 1}
"""What is ordered, and how often."""

LOAD: Final = Load(
    usual=20,
    ask=asks_for("item", ITEMS, never_succeed={SOLD_OUT}),
    taken_by=SystemAccount.ASSETS_CLEARING,
    owes_all=True,
    books=(ProviderBooks(GIFTCARD_ROLE.name, "/v1/orders", "orders", kept_while("fulfilled")),),
    settings={"PERDURE_GIFTCARDS_TIMEOUT_S": "1"},
)
