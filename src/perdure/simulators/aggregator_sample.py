"""Accounts and transactions as people have them, made from a seed: the same one, the same ones."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class _Habit:
    """What somebody pays for, again and again.

    Args:
        often: How often, against the others.
        around_minor: An amount, give or take a part of it.
    """

    merchant: str
    name: str
    detailed: str
    often: int
    around_minor: int
    channel: str

    @property
    def primary(self) -> str:
        """The category that its own is a part of."""
        return next(one for one in _PRIMARY if self.detailed.startswith(one))


_PRIMARY: Final = (
    "FOOD_AND_DRINK",
    "TRANSPORTATION",
    "GENERAL_MERCHANDISE",
    "ENTERTAINMENT",
    "RENT_AND_UTILITIES",
    "INCOME",
)
_STORE: Final = "in store"


_HABITS: Final = tuple(
    _Habit(merchant, name, detailed, often, around_minor, channel)
    for merchant, name, detailed, often, around_minor, channel in (
        ("Corner Market", "CORNER MARKET #0412", "FOOD_AND_DRINK_GROCERIES", 9, 4200, _STORE),
        ("Bean There", "SQ *BEAN THERE", "FOOD_AND_DRINK_COFFEE", 8, 560, _STORE),
        ("City Transit", "CITY TRANSIT TOPUP", "TRANSPORTATION_PUBLIC_TRANSIT", 4, 2000, "online"),
        ("Fuel Stop", "FUEL STOP 77", "TRANSPORTATION_GAS", 3, 5100, _STORE),
        (
            "Paper & Ink",
            "PAPER AND INK LTD",
            "GENERAL_MERCHANDISE_OFFICE_SUPPLIES",
            2,
            1850,
            _STORE,
        ),
        ("Streamly", "STREAMLY.COM", "ENTERTAINMENT_TV_AND_MOVIES", 1, 1299, "online"),
        (
            *("Northern Power", "NORTHERN POWER DD"),
            *("RENT_AND_UTILITIES_GAS_AND_ELECTRICITY", 1, 7400, "other"),
        ),
        ("Employer", "ACME CORP PAYROLL", "INCOME_SALARY", 1, -265_000, "other"),
    )
)


def accounts(item_id: str, count: int, currency: str) -> list[dict[str, Any]]:
    """Return an item's accounts, as Plaid shows them: a current account, and cards."""
    return [
        {
            "account_id": f"{item_id}-{number}",
            "balances": {
                "available": None,
                "current": None,
                "limit": None,
                "iso_currency_code": currency,
                "unofficial_currency_code": None,
            },
            "mask": f"{number:04}",
            "name": "Checking" if number == 0 else f"Card {number}",
            "official_name": None,
            "type": "depository" if number == 0 else "credit",
            "subtype": "checking" if number == 0 else "credit card",
        }
        for number in range(count)
    ]


def history(
    item_id: str,
    of: list[dict[str, Any]],
    *,
    count: int,
    seed: int,
    until: date,
    days: int,
    pending: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield an item's transactions, the oldest first, spread over its accounts.

    Args:
        seed: Two items of one seed have the same; 0: each has its own.
        pending: So many of the last are not booked yet.
    """
    dice = random.Random(seed or item_id)  # noqa: S311 - reproducible
    weights = [habit.often for habit in _HABITS]
    for number in range(count):
        habit = dice.choices(_HABITS, weights)[0]
        account = of[number % len(of)]
        on = until - timedelta(days=days - days * (number + 1) // count)
        yield transaction(
            f"{item_id}-t{number}",
            account["account_id"],
            round(habit.around_minor * dice.uniform(0.7, 1.3)) / 100,
            on.isoformat(),
            iso_currency_code=account["balances"]["iso_currency_code"],
            name=habit.name,
            merchant_name=habit.merchant,
            payment_channel=habit.channel,
            pending=number >= count - pending,
            personal_finance_category={
                "primary": habit.primary,
                "detailed": habit.detailed,
                "confidence_level": dice.choice(("VERY_HIGH", "HIGH")),
                "version": "v2",
            },
        )


def transaction(
    transaction_id: str, account_id: str, amount: float | str, on: str, **fields: Any
) -> dict[str, Any]:
    """Return a transaction as Plaid shows it, with the fields that its schema has to have."""
    return {
        "transaction_id": transaction_id,
        "account_id": account_id,
        "amount": amount,
        "date": on,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "pending": False,
        "pending_transaction_id": None,
        "account_owner": None,
        "authorized_date": on,
        "authorized_datetime": None,
        "datetime": None,
        "name": "TRANSACTION",
        "merchant_name": None,
        "payment_channel": "other",
        "payment_meta": {},
        "location": {},
        "transaction_code": None,
        "personal_finance_category": None,
        **fields,
    }
