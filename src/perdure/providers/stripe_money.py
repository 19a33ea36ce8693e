"""Amounts as Stripe writes them, which is not always in a currency's own minor units.

See https://docs.stripe.com/currencies: currencies without decimals are as everywhere, those with
three are taken in tens of their minor unit only, and some are written with other decimals than they
have.
"""

from typing import Final

from perdure.core.errors import InvalidInput
from perdure.core.money import MINOR_UNIT_DIGITS

NOT_REPRESENTABLE: Final = "amount_not_representable"

_DIGITS_AT_STRIPE: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Those that Stripe writes with other decimals than ISO 4217."""


def to_stripe(amount_minor: int, currency: str) -> int:
    """Return an amount as Stripe takes it.

    Raises:
        InvalidInput: `amount_not_representable`.
    """
    if MINOR_UNIT_DIGITS.get(currency) == 3 and amount_minor % 10:
        raise InvalidInput(
            f"Stripe takes {currency} in tens of its minor unit only; {amount_minor} cannot be"
            f" charged, {amount_minor - amount_minor % 10} can.",
            code=NOT_REPRESENTABLE,
            param="amount_minor",
        )
    more = _more_digits(currency)
    if more >= 0:
        return int(amount_minor * 10**more)
    whole, rest = divmod(amount_minor, 10**-more)
    if rest:
        raise InvalidInput(
            f"Stripe takes {currency} in whole units only; {amount_minor} minor units are not.",
            code=NOT_REPRESENTABLE,
            param="amount_minor",
        )
    return int(whole)


def from_stripe(amount: int, currency: str) -> int:
    """Return an amount of Stripe's in minor units; what it could not have taken is rounded up.

    Rounded up it differs from what was asked for, which whoever compares finds.
    """
    more = _more_digits(currency)
    return int(-(-amount // 10**more)) if more >= 0 else int(amount * 10**-more)


def _more_digits(currency: str) -> int:
    own = MINOR_UNIT_DIGITS.get(currency, 2)
    return _DIGITS_AT_STRIPE.get(currency, own) - own
