"""What the customer is told."""

from perdure.core.money import format_amount
from perdure.notifications.contracts import Message
from perdure.notifications.rules import failure_to_customer, to_customer
from perdure.renewals.contracts import CloseRenewal, Fee, RenewalInput, RenewalReport


def success_messages(renewal: RenewalInput, fee: Fee, report: RenewalReport) -> list[Message]:
    """Return what the customer is told of a renewal that succeeded."""
    return _renewed(renewal, fee, report, "")


def standing_messages(renewal: RenewalInput, fee: Fee, report: RenewalReport) -> list[Message]:
    """Return what the customer is told of a renewal that came too late to be undone."""
    late = " It could no longer be undone: the registry does not take it back."
    return _renewed(renewal, fee, report, late)


def _renewed(renewal: RenewalInput, fee: Fee, report: RenewalReport, more: str) -> list[Message]:
    request = renewal.request
    price = format_amount(fee.amount_minor, fee.currency)
    return to_customer(
        request,
        f"{request.domain} is renewed",
        f"{request.domain} is yours until {report.expires_on}. You paid {price}.{more}",
    )


def failure_messages(given: CloseRenewal) -> list[Message]:
    """Return what the customer is told of a renewal that did not come about."""
    renewal = given.renewal
    request = renewal.request
    return failure_to_customer(
        request,
        f"The renewal of {request.domain}",
        given.failure,
        f"Nothing was taken from your account; {request.domain} still ends on"
        f" {renewal.current_expires_on}.",
    )
