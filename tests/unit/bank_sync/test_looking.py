"""Who a transaction was with, how, and what for; from what banks write."""

from datetime import date
from typing import Any

import pytest

from perdure.bank_sync.enriching import Merchant, merchant_of
from perdure.bank_sync.staging import Staged
from perdure.bank_sync.taxonomy import Category, category_of


def staged(name: str, amount_minor: int = 1000, **fields: Any) -> Staged:
    day = date(2026, 1, 1)
    return Staged("t", "acc", amount_minor, "USD", day, name, pending=False, **fields)


@pytest.mark.parametrize(
    ("found", "merchant"),
    [
        (staged("SQ *BEAN THERE"), Merchant("Bean There", "bean there", "card")),
        (staged("CORNER MARKET #0412"), Merchant("Corner Market", "corner market")),
        (staged("POS PURCHASE FUEL STOP 77 CA"), Merchant("Fuel Stop", "fuel stop", "card")),
        (staged("DD NORTHERN POWER"), Merchant("Northern Power", "northern power", "direct_debit")),
        (staged("ACH ACME CORP PAYROLL", -1000), Merchant("Acme", "acme", "transfer")),
        (
            staged("whatever 123", merchant="Paper & Ink", channel="online"),
            Merchant("Paper & Ink", "paper ink", "card"),
        ),
        (staged("   "), Merchant("Unknown", "unknown")),
        (staged("12345"), Merchant("12345", "12345")),
    ],
)
def test_who_it_was_with(found: Staged, merchant: Merchant) -> None:
    assert merchant_of(found) == merchant


def told(detailed: str, confidence: str, version: str = "v2") -> dict[str, str]:
    return {"primary": "", "detailed": detailed, "confidence": confidence, "version": version}


@pytest.mark.parametrize(
    ("found", "category"),
    [
        (
            staged("X", category=told("FOOD_AND_DRINK_COFFEE", "VERY_HIGH")),
            Category("FOOD_AND_DRINK", "FOOD_AND_DRINK_COFFEE", "VERY_HIGH"),
        ),
        # The first version called it otherwise.
        (
            staged("X", -1, category=told("INCOME_WAGES", "HIGH", "v1")),
            Category("INCOME", "INCOME_SALARY", "HIGH"),
        ),
        # What the aggregator is not sure of, the bank's words are asked about.
        (
            staged("CITY PARKING", category=told("OTHER_OTHER", "LOW")),
            Category("TRANSPORTATION", "TRANSPORTATION_PARKING", "LOW"),
        ),
        (staged("ACME PAYROLL", -1000), Category("INCOME", "INCOME_SALARY", "LOW")),
        (staged("ACME PAYROLL FEE", 1000), Category("OTHER", "OTHER_OTHER", "UNKNOWN")),
        (
            staged("ZZZ", category=told("TRAVEL_OTHER_TRAVEL", "LOW")),
            Category("TRAVEL", "TRAVEL_OTHER_TRAVEL", "LOW"),
        ),
        (
            staged("ZZZ", category=told("NO_SUCH_THING", "VERY_HIGH")),
            Category("OTHER", "OTHER_OTHER", "UNKNOWN"),
        ),
    ],
)
def test_what_it_is_for(found: Staged, category: Category) -> None:
    assert category_of(found) == category
