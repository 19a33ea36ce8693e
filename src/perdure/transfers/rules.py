"""A transfer's decisions, without effects."""

from dataclasses import dataclass, field, replace

from perdure.core.errors import LimitExceeded, ProviderDeclined
from perdure.core.ids import ACCOUNT, check_id
from perdure.core.money import AmountLimit, Money, format_amount
from perdure.core.text import check_identifier, check_optional_text, check_text
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
    Money(request.amount_minor, request.currency)
    check_id(request.account_id, ACCOUNT, param="account_id")
    reference = request.reference
    return replace(
        request,
        customer_id=check_identifier("customer_id", request.customer_id),
        destination=check_text("destination", request.destination),
        reference=check_identifier("reference", reference) if reference is not None else None,
        description=check_optional_text("description", request.description),
        customer=check_party("customer", request.customer),
    )


def check_limits(request: TransferRequest, limits: TransferLimits) -> None:
    """Refuse a transfer of more than one may move.

    Raises:
        LimitExceeded: `amount_over_limit`.
    """
    most_minor = limits.amount.minor_of(request.currency)
    if most_minor is not None and request.amount_minor > most_minor:
        most = format_amount(most_minor, request.currency)
        raise LimitExceeded(
            f"One transfer moves at most {most}; split it or ask for a higher limit.",
            code="amount_over_limit",
            param="amount_minor",
        )


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
