"""Transfers as chaos makes them, and what the bank's books say of each."""

from typing import Final

from perdure.chaos.load import Load, ProviderBooks, asks_for, kept_while
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

LOAD: Final = Load(
    usual=20,
    ask=asks_for("destination", DESTINATIONS, never_succeed=NEVER_PAID, park=PARK),
    taken_by=SystemAccount.BANK,
    books=(ProviderBooks(BANK_ROLE.name, "/v1/payouts", "payouts", kept_while("paid")),),
    settings={"PERDURE_BANK_TIMEOUT_S": "1"},
)
