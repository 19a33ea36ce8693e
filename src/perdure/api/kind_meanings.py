"""What the kinds of operation add to the API's description."""

from typing import Any, Final

from perdure.api.meanings import Code

KIND_TAGS: Final[list[dict[str, Any]]] = [
    {"name": "payments", "description": "Money from a customer's account, by a card's charge."},
    {"name": "transfers", "description": "Money from a customer's account to a bank's."},
    {"name": "renewals", "description": "A customer's domain, renewed at its registry."},
]

ACCEPTING: Final = (
    "insufficient_funds",
    "account_not_found",
    "account_not_open",
    "invalid_id",
    "deadline_passed",
    "idempotency_mismatch",
)
MONEY: Final = ("amount_over_limit", "invalid_amount", "unknown_currency", "currency_mismatch")
RENEWING: Final = (
    "invalid_amount",
    "invalid_domain",
    "unknown_tld",
    "invalid_years",
    "domain_not_found",
    "domain_not_owned",
    "domain_expired",
    "expiry_mismatch",
    "already_renewed",
    "renewal_in_progress",
)
REFUNDING: Final = (
    "not_refundable",
    "held_by_house",
    "already_refunded",
    "account_not_open",
    "grace_period_over",
    "payout_not_recallable",
    "renewal_in_progress",
    "domain_not_owned",
    "reason_required",
)
CANCELLING: Final = ("not_cancellable", "held_by_house", "reason_required")

KIND_CODES: Final = {
    "payment_not_found": Code(404, "There is no such payment, or not for this key."),
    "transfer_not_found": Code(404, "There is no such transfer, or not for this key."),
    "renewal_not_found": Code(404, "There is no such renewal, or not for this key."),
    "invalid_domain": Code(400, "It is not a domain's name, in lower case."),
    "unknown_tld": Code(400, "No registry here has its top-level domain."),
    "invalid_years": Code(400, "It is not 1 to 10 years."),
    "domain_not_found": Code(404, "There is no such domain, or not for this key."),
    "domain_not_owned": Code(402, "The domain is no longer this customer's."),
    "domain_expired": Code(402, "The domain has expired."),
    "expiry_mismatch": Code(409, "The domain's last day is another one."),
    "already_renewed": Code(409, "The domain was renewed from that day already."),
    "renewal_in_progress": Code(409, "The domain is being renewed."),
    "grace_period_over": Code(409, "The registry takes it back no more."),
    "payout_not_recallable": Code(409, "The bank does not take it back."),
}
