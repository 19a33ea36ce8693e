"""Amounts in minor units, exactly or not at all; and what else of a page is not believed."""

from datetime import date
from decimal import Decimal

import pytest

from perdure.bank_sync.staging import staged, to_minor
from perdure.core.errors import ProviderDisagrees
from perdure.providers.aggregator import BankAccount, BankTransaction, TransactionsPage


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("72.1", "USD", 7210),
        ("-2650.00", "USD", -265_000),
        ("0.1", "EUR", 10),
        ("12.340", "USD", 1234),
        ("1.005", "KWD", 1005),
        ("500", "JPY", 500),
        ("0", "USD", 0),
        ("0.00000", "USD", 0),
        ("-0.0", "USD", 0),
        ("1E+3", "USD", 100_000),
        ("92233720368547758.07", "USD", 2**63 - 1),
        ("12345678901234567.89", "USD", 1_234_567_890_123_456_789),
    ],
)
def test_amounts_are_exact(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency, of="t") == minor


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("72.105", "USD", "amount_not_exact"),
        ("0.00001", "USD", "amount_not_exact"),
        ("500.5", "JPY", "amount_not_exact"),
        ("92233720368547758.08", "USD", "amount_not_exact"),
        ("1E+50", "USD", "amount_not_exact"),
        ("1E+999999", "USD", "amount_not_exact"),
        ("1", "XYZ", "unknown_currency"),
        ("1", None, "unknown_currency"),
    ],
)
def test_others_are_not_guessed(amount: str, currency: str | None, code: str) -> None:
    with pytest.raises(ProviderDisagrees) as refused:
        to_minor(Decimal(amount), currency, of="t")
    assert refused.value.code == code


def test_an_account_that_is_not_the_items_is_not_believed() -> None:
    """Unless it was told of before."""
    account = BankAccount("acc", "Checking", "depository")
    one = BankTransaction("t", "other", Decimal(1), "USD", date(2026, 1, 1), "A shop")
    page = TransactionsPage((account,), (one,), (), ("gone",), "next", has_more=False)
    with pytest.raises(ProviderDisagrees) as refused:
        staged(page, frozenset())
    assert refused.value.code == "unknown_account"
    kept, removed = staged(page, frozenset({"other"}))
    assert (kept.id, kept.amount_minor) == ("t", 100)
    assert removed == {"id": "gone", "removed": True}
