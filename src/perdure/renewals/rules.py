"""A renewal's decisions, without effects."""

import re
from calendar import isleap
from dataclasses import replace
from typing import Final

from perdure.core.errors import (
    Conflict,
    InvalidInput,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    Refused,
)
from perdure.core.money import check_amount_minor, check_currency, format_amount
from perdure.core.requests import check_names
from perdure.core.times import read_date
from perdure.notifications.rules import check_party
from perdure.renewals.contracts import DomainOffer, Fee, RenewalInput, RenewalReport, RenewalRequest

YEARS_MAX: Final = 10
"""The most that registries take at once (RFC 5731, section 3.2.3, leaves it to them)."""

NAME_LENGTH_MAX: Final = 253
"""Of a name as people write it (RFC 1035, section 2.3.4, counts two octets more)."""

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

NOT_TAKEN_BACK: Final = frozenset({"not_refundable", "grace_period_over"})
"""The registry's refusals to undo a renewal after which it stands for good."""


def check_domain_name(name: str, *, param: str = "domain") -> None:
    """Refuse what is not a domain's name as registries keep it.

    Raises:
        InvalidInput: `invalid_domain`.
    """
    labels = name.split(".")
    well_formed = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    if not well_formed or labels[-1].isdigit() or len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(
            f"{name[:80]!r} is not a domain's name; write it in lower case, as example.info, and"
            " one with other letters in its ASCII form (xn--…).",
            code="invalid_domain",
            param=param,
        )


def check_request(request: RenewalRequest) -> RenewalRequest:
    """Return a request as it is kept; refuse one that can never become a renewal.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    check_domain_name(request.domain)
    if not 1 <= request.years <= YEARS_MAX:
        raise InvalidInput(
            f"A domain is renewed by 1 to {YEARS_MAX} years; got {request.years}.",
            code="invalid_years",
            param="years",
        )
    if request.current_expires_on is not None:
        read_date("current_expires_on", request.current_expires_on)
    if request.price_minor_max is not None:
        check_amount_minor(request.price_minor_max, param="price_minor_max")
    return replace(check_names(request), customer=check_party("customer", request.customer))


def fee_of(renewal: RenewalInput, offer: DomainOffer) -> Fee:
    """Return what the renewal costs, if the registry will do it and the customer accepts it.

    Raises:
        Refused: `domain_locked`, `domain_expired`, `expiry_mismatch`, `premium_not_confirmed`,
            `price_over_maximum`.
        InvalidInput: `unknown_currency`: the registry's.
    """
    _check_renewable(renewal, offer)
    check_currency(offer.currency)
    request = renewal.request
    fee = Fee(offer.year_price_minor * request.years, offer.currency)
    price = f"{format_amount(fee.amount_minor, fee.currency)} for {_years(request.years)}"
    if request.price_minor_max is None:
        if offer.premium:
            raise Refused(
                f"{request.domain} is a premium domain and costs {price}; ask again with"
                " price_minor_max to accept that.",
                code="premium_not_confirmed",
                param="price_minor_max",
            )
    elif fee.amount_minor > request.price_minor_max:
        raise Refused(
            f"{request.domain} costs {price}, which is over price_minor_max"
            f" ({format_amount(request.price_minor_max, fee.currency)}).",
            code="price_over_maximum",
            param="price_minor_max",
        )
    return fee


def _check_renewable(renewal: RenewalInput, offer: DomainOffer) -> None:
    name = renewal.request.domain
    if offer.status == "locked":
        raise Refused(
            f"The registry has {name} locked; have the lock lifted, and ask again.",
            code="domain_locked",
            param="domain",
        )
    if offer.status == "expired":
        raise Refused(
            f"{name} has expired at the registry; it can only be restored.",
            code="domain_expired",
            param="domain",
        )
    if offer.expires_on != renewal.current_expires_on:
        raise Refused(
            f"{name} ends on {offer.expires_on} at the registry, and on"
            f" {renewal.current_expires_on} in our books; have them compared before it is renewed.",
            code="expiry_mismatch",
            param="domain",
        )


def _years(count: int) -> str:
    return "1 year" if count == 1 else f"{count} years"


def check_stands(report: RenewalReport) -> None:
    """Let a renewal pass that stands at the registry.

    Raises:
        ProviderDeclined: `renewal_undone`: somebody had it taken back there.
    """
    if report.status != "renewed":
        raise ProviderDeclined("The registry took the renewal back.", code="renewal_undone")


def check_report(renewal: RenewalInput, fee: Fee, report: RenewalReport) -> None:
    """Compare what the registry did with what it was asked for.

    Raises:
        PerdureError: `report_mismatch`: no answer of the registry's, so a person has to look.
    """
    expected = expiries_after(renewal.current_expires_on, renewal.request.years)
    if report.expires_on not in expected:
        raise PerdureError(
            f"The registry renewed {renewal.request.domain} to {report.expires_on} instead of"
            f" {expected[0]}.",
            code="report_mismatch",
        )
    if (report.price_minor, report.currency) != (fee.amount_minor, fee.currency):
        raise PerdureError(
            f"The registry bills {report.price_minor} {report.currency} (minor units) for"
            f" {renewal.request.domain} instead of {fee.amount_minor} {fee.currency}.",
            code="report_mismatch",
        )


def expiries_after(current_expires_on: str, years: int) -> tuple[str, ...]:
    """Return the last days a domain may have once it is renewed.

    A 29 February has no day in most years: registries take the day before or the one after.
    """
    year, month_and_day = int(current_expires_on[:4]) + years, current_expires_on[4:]
    if month_and_day == "-02-29" and not isleap(year):
        return (f"{year:04d}-02-28", f"{year:04d}-03-01")
    return (f"{year:04d}{month_and_day}",)


def has_to_be_undone(error: PerdureError, *, has_begun: bool) -> bool:
    """Whether the registry may have renewed the domain, in this run, an earlier one or a lane.

    What it refused did nothing. What is called off before this run came to it may have been there.
    Releasing the fee and the domain is no part of undoing: closing the renewal does it, in the same
    commit as the status.

    Args:
        has_begun: This run came to it.
    """
    may_have_begun = has_begun or isinstance(error, OperationCancelled | Conflict)
    return may_have_begun and not isinstance(error, ProviderDeclined)


def stands_after(refusal: ProviderDeclined) -> bool:
    """Whether a renewal that the registry would not undo stays as it is.

    Then it is recorded as done, and the customer pays for what the customer has: to end it as
    failed would leave the registry's bill with us and the domain's date wrong. Any other refusal is
    for an operator to look at.
    """
    return refusal.code in NOT_TAKEN_BACK
