"""A transfer's decisions, without effects."""

from dataclasses import replace

from perdure.core.errors import ProviderDeclined
from perdure.core.text import check_text
from perdure.notifications.rules import check_paid_request
from perdure.transfers.contracts import PayoutOutcome, TransferRequest


def check_request(request: TransferRequest) -> TransferRequest:
    """Return a request as it is kept; refuse one that can never become a transfer.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    return replace(
        check_paid_request(request), destination=check_text("destination", request.destination)
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
