"""Money: an integer amount of minor units and its ISO 4217 currency, never apart, never a float."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from perdure.core.errors import InvalidInput, LimitExceeded

AMOUNT_MINOR_MAX: Final = 2**63 - 1
"""The largest amount a PostgreSQL `bigint` and a signed 64-bit client can both hold."""

_AMOUNT_DIGITS_MAX: Final = len(str(AMOUNT_MINOR_MAX))

MINOR_UNIT_DIGITS: Final[dict[str, int]] = {
    "AUD": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2,
    "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "ILS": 2, "INR": 2, "ISK": 0, "JPY": 0,
    "KRW": 0, "KWD": 3, "MXN": 2, "NOK": 2, "NZD": 2, "PLN": 2, "RON": 2, "SEK": 2,
    "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "USD": 2, "ZAR": 2,
}  # fmt: skip
"""The currencies taken, and how many digits their minor unit has (ISO 4217, table A.1)."""


def check_currency(currency: str, *, param: str = "currency") -> str:
    """Return the currency, or refuse one that is not taken.

    Raises:
        InvalidInput: `unknown_currency`.
    """
    if currency not in MINOR_UNIT_DIGITS:
        raise InvalidInput(
            f"{currency!r} is not a currency taken here; use an ISO 4217 code in capitals, such as "
            "USD or EUR.",
            code="unknown_currency",
            param=param,
        )
    return currency


def check_amount_minor(amount_minor: int, *, param: str = "amount_minor") -> int:
    """Return the amount, or refuse one that is not between 1 and 2^63-1 minor units.

    Raises:
        InvalidInput: `invalid_amount`.
    """
    if isinstance(amount_minor, bool) or not isinstance(amount_minor, int):
        raise InvalidInput(
            "The amount must be a whole number of minor units (cents for USD).",
            code="invalid_amount",
            param=param,
        )
    if not 0 < amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidInput(
            f"The amount must be between 1 and {AMOUNT_MINOR_MAX} minor units; got {amount_minor}.",
            code="invalid_amount",
            param=param,
        )
    return amount_minor


def read_amount_minor(text: str, *, param: str = "amount_minor") -> int:
    """Return an amount from its digits.

    Raises:
        InvalidInput: `invalid_amount`.
    """
    # `int` takes more than it should: 1_000, ٣, +5; and a number of any length.
    if not (text.isascii() and text.isdigit()) or len(text) > _AMOUNT_DIGITS_MAX:
        raise InvalidInput(
            f"{text[:40]!r} is not a whole number of minor units: 12.50 USD is 1250.",
            code="invalid_amount",
            param=param,
        )
    return check_amount_minor(int(text), param=param)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units with its currency.

    Raises:
        InvalidInput: The amount is not between 1 and 2^63-1, or the currency is unknown.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        check_amount_minor(self.amount_minor)
        check_currency(self.currency)

    def __str__(self) -> str:
        return format_amount(self.amount_minor, self.currency)


@dataclass(frozen=True, slots=True)
class AmountLimit:
    """The most that something may come to, in each currency.

    Args:
        default_minor: In minor units of a currency with two digits of them. Of any other it is the
            same number of whole units: 1,000,000 is 10,000 USD, 10,000 JPY and 10,000 KWD. None:
            without a limit.
        by_currency: The currencies that have one of their own, each in its own minor units.
    """

    default_minor: int | None = None
    by_currency: Mapping[str, int] = field(default_factory=dict)

    def minor_of(self, currency: str) -> int | None:
        """Return the limit in a currency's own minor units; None: there is none."""
        own = self.by_currency.get(currency)
        if own is not None or self.default_minor is None:
            return own
        units_minor: int = 10 ** MINOR_UNIT_DIGITS[currency]
        return min(self.default_minor * units_minor // 100, AMOUNT_MINOR_MAX)

    def check(self, amount_minor: int, currency: str, *, what: str) -> None:
        """Refuse what comes to more.

        Args:
            what: What is limited, in one word for people: `order`.

        Raises:
            LimitExceeded: `amount_over_limit`.
        """
        most_minor = self.minor_of(currency)
        if most_minor is not None and amount_minor > most_minor:
            most = format_amount(most_minor, currency)
            raise LimitExceeded(
                f"One {what} moves at most {most}; split it or ask for a higher limit.",
                code="amount_over_limit",
                param="amount_minor",
            )


def format_amount(amount_minor: int, currency: str) -> str:
    """Write an amount for people: `12.50 USD`, `1250 JPY`, `-0.05 EUR`."""
    digits = MINOR_UNIT_DIGITS[currency]
    sign = "-" if amount_minor < 0 else ""
    whole, fraction = divmod(abs(amount_minor), 10**digits)
    return (
        f"{sign}{whole}.{fraction:0{digits}} {currency}" if digits else f"{sign}{whole} {currency}"
    )
