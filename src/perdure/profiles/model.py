"""Who a customer is: the one row in which a name, an address and a date of birth are kept."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from perdure.core.addresses import check_mail_address, check_phone_number
from perdure.core.clock import utc_now
from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_text

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_OLDEST_YEARS: Final = 150


class ProfileStatus(StrEnum):
    """How a customer stands."""

    ACTIVE = "active"
    CLOSED = "closed"
    """Left; what the law has us keep is kept."""
    ERASED = "erased"
    """Nothing is left of who it was."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A row of `profiles`.

    Args:
        customer_id: The caller's own id of the customer: it stays, as a pseudonym.
        email, birth_date, country: None only where the customer was erased.
        country: ISO 3166-1, two capitals.
        created_at: None: it is none yet.
    """

    customer_id: str
    full_name: str
    email: str | None
    phone: str | None = None
    birth_date: date | None = None
    country: str | None = None
    status: ProfileStatus = ProfileStatus.ACTIVE
    created_at: datetime | None = None


def check_profile(profile: Profile) -> Profile:
    """Return a new profile as it is kept.

    Raises:
        InvalidInput: Names the field.
    """
    if profile.email is None:
        raise InvalidInput("Give a mail address.", code="missing_field", param="email")
    phone = profile.phone
    return replace(
        profile,
        customer_id=check_identifier("customer_id", profile.customer_id),
        full_name=check_text("full_name", profile.full_name),
        email=check_mail_address("email", profile.email),
        phone=check_phone_number("phone", phone) if phone is not None else None,
        birth_date=_check_birth_date(profile.birth_date),
        country=_check_country(profile.country),
    )


def _check_birth_date(found: date | None) -> date:
    if found is None:
        raise InvalidInput("Give the date of birth.", code="missing_field", param="birth_date")
    today = utc_now().date()
    if not today.year - _OLDEST_YEARS <= found.year or found >= today:
        raise InvalidInput(
            f"{found.isoformat()} is nobody's date of birth who lives.", param="birth_date"
        )
    return found


def _check_country(found: str | None) -> str:
    if found is None:
        raise InvalidInput("Give the country.", code="missing_field", param="country")
    if not _COUNTRY.fullmatch(found):
        raise InvalidInput(
            f"{found[:40]!r} is no country; one looks like FR (ISO 3166-1).", param="country"
        )
    return found
