"""A transfer's decisions, without effects."""

from dataclasses import dataclass, field, replace

from perdure.core.errors import ProviderDeclined
from perdure.core.money import AmountLimit
from perdure.core.requests import check_amount
from perdure.core.text import check_text
from perdure.notifications.rules import check_party
from perdure.transfers.contracts import PayoutOutcome, TransferRequest


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """The house's limits.

    Args:
        amount: The most one transfer moves.
    """

    amount: AmountLimit = field(default_factory=lambda: AmountLimit(1_000_000))


def check_request(request: TransferRequest) -> TransferRequest:
    """Return a request as it is kept; refuse one that can never become a transfer.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    return replace(
        check_amount(request),
        destination=check_text("destination", request.destination),
        customer=check_party("customer", request.customer),
    )


def check_limits(request: TransferRequest, limits: TransferLimits) -> None:
    """Refuse a transfer of more than one may move.

    Raises:
        LimitExceeded: `amount_over_limit`.
    """
    limits.amount.check(request.amount_minor, request.currency, what="transfer")


def check_paid(payout: PayoutOutcome) -> None:
    """Let a payout pass that the bank made.

    Raises:
        ProviderDeclined: It failed there, or was called back.
    """
    if payout.status == "paid":
        return
    raise ProviderDeclined(
        "The bank could not pay the money out.", code=payout.failure_code or "payout_failed"
    )
