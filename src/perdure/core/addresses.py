"""How people are reached: mail addresses and phone numbers, in the one form they are kept in."""

import re
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

from perdure.core.errors import InvalidInput

_PHONE: Final = re.compile(r"\+[1-9][0-9]{1,14}")
"""ITU-T E.164: a country code does not begin with 0; with it, there are at most 15 digits."""

_ADDRESSES_REMEMBERED: Final = 4096


def check_mail_address(param: str, value: str) -> str:
    """Return a mail address as every server takes it: in ASCII, its domain in lower case.

    Other letters are possible in the domain, which has an ASCII form (IDNA), and not before the @,
    as that needs servers with SMTPUTF8 all the way. Domains that no mail is for (RFC 6761:
    `.local`, `.invalid`, `.test`) are refused; the ones for examples are not.

    Raises:
        InvalidInput: Names the field, and says what is wrong with the address.
    """
    try:
        return _ascii_address(value)
    except EmailNotValidError as error:
        raise InvalidInput(
            f"{value[:80]!r} is not an address that mail can be sent to: {error} One looks like"
            " ada@example.com.",
            param=param,
        ) from None


@lru_cache(_ADDRESSES_REMEMBERED)
def _ascii_address(value: str) -> str:
    # The DNS is not asked: whether a mail arrives is seen when one is sent.
    found = validate_email(value, check_deliverability=False, allow_smtputf8=False, strict=True)
    assert found.ascii_email is not None, "no SMTPUTF8, so it has an ASCII form"
    return found.ascii_email


def check_phone_number(param: str, value: str) -> str:
    """Return a phone number, or refuse what is not written as E.164 has it.

    Raises:
        InvalidInput: Names the field.
    """
    if not _PHONE.fullmatch(value):
        raise InvalidInput(
            f"{value[:40]!r} is not a phone number in E.164 form; one looks like +33123456789.",
            param=param,
        )
    return value
