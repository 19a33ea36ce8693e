"""Money: whole minor units with their currency."""

import pytest

from perdure.core.errors import InvalidInput
from perdure.core.money import AMOUNT_MINOR_MAX, Money, format_amount


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
