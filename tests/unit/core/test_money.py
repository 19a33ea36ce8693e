"""Money: whole minor units with their currency."""

import pytest

from perdure.core.errors import InvalidInput
from perdure.core.money import AMOUNT_MINOR_MAX, AmountLimit, Money, format_amount


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1_250, "USD", "12.50 USD"),
        (5, "EUR", "0.05 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (1_250, "JPY", "1250 JPY"),
        (1_250, "KWD", "1.250 KWD"),
    ],
)
def test_amounts_are_written_with_their_currencys_digits(
    amount_minor: int, currency: str, text: str
) -> None:
    assert format_amount(amount_minor, currency) == text


@pytest.mark.parametrize("amount_minor", [1, AMOUNT_MINOR_MAX])
def test_every_amount_that_fits_is_money(amount_minor: int) -> None:
    assert Money(amount_minor, "USD").amount_minor == amount_minor


@pytest.mark.parametrize("amount_minor", [0, -1, AMOUNT_MINOR_MAX + 1, 1.0, True])
def test_nothing_else_is_money(amount_minor: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        Money(amount_minor, "USD")
    assert caught.value.code == "invalid_amount"


def test_one_limit_is_the_same_in_whole_units_of_each_currency() -> None:
    limit = AmountLimit(1_000_000)
    assert {
        currency: format_amount(limit.minor_of(currency) or 0, currency)
        for currency in ("USD", "JPY", "KWD")
    } == {"USD": "10000.00 USD", "JPY": "10000 JPY", "KWD": "10000.000 KWD"}


def test_a_currency_may_have_a_limit_of_its_own() -> None:
    limit = AmountLimit(1_000_000, {"JPY": 1_500_000})
    assert (limit.minor_of("JPY"), limit.minor_of("KRW")) == (1_500_000, 10_000)
    only = AmountLimit(None, {"JPY": 1_500_000})
    assert (only.minor_of("JPY"), only.minor_of("USD")) == (1_500_000, None)


def test_no_limit_is_more_than_a_column_holds() -> None:
    assert AmountLimit(AMOUNT_MINOR_MAX).minor_of("KWD") == AMOUNT_MINOR_MAX
