"""Payments as chaos makes them, and what the gateway's books say of each."""

from collections.abc import Mapping
from typing import Any, Final

from perdure.chaos.dice import Dice
from perdure.chaos.load import Entry, Load, ProviderBooks
from perdure.chaos.planned import Asked
from perdure.ledger.chart import SystemAccount
from perdure.payments.late_charges import LATE
from perdure.providers.gateway import GATEWAY_ROLE

# What each token does is in docs/simulators.md. Those that take a quarter of a minute or more by
# design (`tok_down`, `tok_fraud_down`) are left out: they would hold up the round.
TOKENS: Final = {
    "tok_ok": 300,
    "tok_flaky": 4,
    "tok_rate_limited": 2,
    "tok_flaky_after_effect": 4,
    "tok_cut_after_charge": 4,
    "tok_timeout_after_charge": 3,
    "tok_slow": 3,
    "tok_callback_before_response": 3,
    "tok_no_callback": 3,
    "tok_duplicate_callback": 4,
    "tok_late_callback": 2,
    "tok_callback_lies_id": 2,
    "tok_callback_lies_amount": 2,
    "tok_callback_lies_currency": 2,
    "tok_callback_lies_reference": 2,
    "tok_callback_lies_status": 2,
    "tok_callback_lies_pending": 2,
    "tok_callback_lies_failed": 2,
    "tok_in_use": 2,
    "tok_other_amount": 1,
    "tok_unknown_status": 1,
    "tok_fraud_slow": 2,
    "tok_fraud_flaky": 2,
    "tok_declined": 4,
    "tok_fails_later": 4,
    "tok_fraud": 4,
    "tok_never_confirmed": 2,
}
PARK: Final = frozenset({"tok_other_amount", "tok_unknown_status"})
"""The tokens at which the gateway does something else than it was asked."""
NEVER_SUCCEED: Final = PARK | {
    "tok_declined",
    "tok_fails_later",
    "tok_fraud",
    "tok_never_confirmed",
}
"""The tokens whose payments must not succeed, whatever else happens."""


def _ask(dice: Dice) -> Asked:
    amount_minor, token = dice.amount_minor(), dice.weighted(TOKENS)
    payer, payee = dice.contact(), dice.contact()
    return Asked(
        amount_minor=amount_minor,
        method=token,
        body={
            "amount_minor": amount_minor,
            "currency": "USD",
            "payment_method": token,
            "payer": payer.party("Payer"),
            "payee": payee.party("Payee"),
        },
        customer=payer,
        others=(payee,),
        never_succeeds=token in NEVER_SUCCEED,
        parks=token in PARK,
    )


def _charge(entry: Mapping[str, Any]) -> Entry:
    is_kept = entry["status"] == "succeeded"
    return Entry(
        entry["reference"],
        entry["status"],
        entry["amount_minor"] - entry["refunded_minor"] if is_kept else 0,
        is_open=entry["status"] == "pending",
    )


def _refund(entry: Mapping[str, Any]) -> Entry:
    # What it gave back is in the charge.
    return Entry(entry["charge_reference"], "refunded", 0)


LOAD: Final = Load(
    usual=200,
    ask=_ask,
    taken_by=SystemAccount.GATEWAY_CLEARING,
    owes_all=True,
    books=(
        ProviderBooks(GATEWAY_ROLE.name, "/v1/charges", "charges", _charge),
        ProviderBooks(GATEWAY_ROLE.name, "/v1/refunds", "refunds", _refund),
    ),
    settings={"PERDURE_PAYMENT_CALLBACK_TIMEOUT_S": "8", "PERDURE_GATEWAY_TIMEOUT_S": "1"},
    options={"gateway": ("--slow-s", "1.3", "--late-callback-s", "12")},
    # It ended without the success that the gateway told of.
    is_looked_into="EXISTS (SELECT FROM provider_callbacks"
    f" WHERE operation_id = operations.id AND {LATE})",
)
