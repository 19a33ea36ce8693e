"""Transfers as chaos makes them, and what the bank's books say of each."""

from collections.abc import Mapping
from typing import Any, Final

from perdure.chaos.dice import Dice
from perdure.chaos.load import Entry, Load, ProviderBooks
from perdure.chaos.planned import Asked
from perdure.ledger.chart import SystemAccount
from perdure.providers.bank import BANK_ROLE

DESTINATIONS: Final = {
    "dest_ok": 40,
    "dest_flaky": 2,
    "dest_rate_limited": 1,
    "dest_error_after": 2,
    "dest_cut_after": 2,
    "dest_timeout": 1,
    "dest_slow": 1,
    "dest_in_use": 1,
    "dest_other_amount": 1,
    "dest_unknown_status": 1,
    "dest_declined": 1,
    "dest_fails": 1,
}
"""What each of them does is in docs/simulators.md."""
PARK: Final = frozenset({"dest_other_amount", "dest_unknown_status"})
"""The destinations at which the bank does something else than it was asked."""
NEVER_PAID: Final = PARK | {"dest_declined", "dest_fails"}
"""The destinations whose transfers must not succeed."""


def _ask(dice: Dice) -> Asked:
    amount_minor, destination = dice.amount_minor(), dice.weighted(DESTINATIONS)
    customer = dice.contact()
    return Asked(
        amount_minor=amount_minor,
        method=destination,
        body={
            "amount_minor": amount_minor,
            "currency": "USD",
            "destination": destination,
            "customer": customer.party("Customer"),
        },
        customer=customer,
        never_succeeds=destination in NEVER_PAID,
        parks=destination in PARK,
    )


def _payout(entry: Mapping[str, Any]) -> Entry:
    is_paid = entry["status"] == "paid"
    return Entry(entry["reference"], entry["status"], entry["amount_minor"] if is_paid else 0)


LOAD: Final = Load(
    usual=20,
    ask=_ask,
    taken_by=SystemAccount.BANK,
    books=(ProviderBooks(BANK_ROLE.name, "/v1/payouts", "payouts", _payout),),
    settings={"PERDURE_BANK_TIMEOUT_S": "1"},
)
