"""Giftcards as `perdure chaos` makes them, and what the provider's books say of each."""

from collections.abc import Mapping
from typing import Any, Final

from perdure import SystemAccount
from perdure.chaos.dice import Dice
from perdure.chaos.load import Entry, Load, ProviderBooks
from perdure.chaos.planned import Asked
from perdure_giftcards.provider import GIFTCARD_ROLE
from perdure_giftcards.simulator import SOLD_OUT

ITEMS: Final = {"standard": 19, SOLD_OUT: 1}
"""What is ordered, and how often."""


def _ask(dice: Dice) -> Asked:
    amount_minor, item = dice.amount_minor(), dice.weighted(ITEMS)
    customer = dice.contact()
    return Asked(
        amount_minor=amount_minor,
        method=item,
        body={
            "amount_minor": amount_minor,
            "currency": "USD",
            "item": item,
            "customer": customer.party("Customer"),
        },
        customer=customer,
        never_succeeds=item == SOLD_OUT,
    )


def _order(entry: Mapping[str, Any]) -> Entry:
    is_kept = entry["status"] == "fulfilled"
    return Entry(entry["reference"], entry["status"], entry["amount_minor"] if is_kept else 0)


LOAD: Final = Load(
    usual=20,
    ask=_ask,
    taken_by=SystemAccount.ASSETS_CLEARING,
    owes_all=True,
    books=(ProviderBooks(GIFTCARD_ROLE.name, "/v1/orders", "orders", _order),),
    settings={"PERDURE_GIFTCARDS_TIMEOUT_S": "1"},
)
