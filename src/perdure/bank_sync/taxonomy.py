"""What a transaction is for: Plaid's personal finance categories, in their second version.

https://plaid.com/documents/pfc-taxonomy-all.csv. What the aggregator is sure of is taken as it is;
what it is not, or says in the first version, by the words that the bank writes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from perdure.bank_sync.staging import Staged

VERSION: Final = "v2"

PRIMARY: Final = (
    "BANK_FEES",
    "ENTERTAINMENT",
    "FOOD_AND_DRINK",
    "GENERAL_MERCHANDISE",
    "GENERAL_SERVICES",
    "GOVERNMENT_AND_NON_PROFIT",
    "HOME_IMPROVEMENT",
    "INCOME",
    "LOAN_DISBURSEMENTS",
    "LOAN_PAYMENTS",
    "MEDICAL",
    "OTHER",
    "PERSONAL_CARE",
    "RENT_AND_UTILITIES",
    "TRANSFER_IN",
    "TRANSFER_OUT",
    "TRANSPORTATION",
    "TRAVEL",
)

_SURE: Final = frozenset({"VERY_HIGH", "HIGH", "MEDIUM"})

_SINCE_V1: Final[Mapping[str, str]] = {
    "INCOME_WAGES": "INCOME_SALARY",
    "INCOME_OTHER_INCOME": "INCOME_OTHER",
    "TRANSFER_IN_CASH_ADVANCES_AND_LOANS": "LOAN_DISBURSEMENTS_OTHER_DISBURSEMENT",
}
"""The categories of the first version that the second calls otherwise."""

_WORDS: Final = tuple(
    (re.compile(rf"\b({words})\b", re.IGNORECASE), detailed, flows_in)
    for words, detailed, flows_in in (
        (r"payroll|salary|wages", "INCOME_SALARY", True),
        (r"interest (paid|earned|payment)", "INCOME_INTEREST_EARNED", True),
        (r"dividends?", "INCOME_DIVIDENDS", True),
        (r"tax refund", "INCOME_TAX_REFUND", True),
        (r"overdraft( fee)?", "BANK_FEES_OVERDRAFT_FEES", False),
        (r"atm fee", "BANK_FEES_ATM_FEES", False),
        (r"interest charged?|finance charge", "BANK_FEES_INTEREST_CHARGE", False),
        (r"atm|cash withdrawal", "TRANSFER_OUT_WITHDRAWAL", False),
        (r"coffee|cafe|espresso", "FOOD_AND_DRINK_COFFEE", False),
        (r"restaurant|bistro|pizzeria|sushi|grill", "FOOD_AND_DRINK_RESTAURANT", False),
        (r"market|grocer(y|ies)|supermarket|foods?", "FOOD_AND_DRINK_GROCERIES", False),
        (r"fuel|petrol|gas station", "TRANSPORTATION_GAS", False),
        (r"taxi|cab|rides?", "TRANSPORTATION_TAXIS_AND_RIDE_SHARES", False),
        (r"transit|metro|railway|bus", "TRANSPORTATION_PUBLIC_TRANSIT", False),
        (r"parking", "TRANSPORTATION_PARKING", False),
        (r"airlines?|airways", "TRAVEL_FLIGHTS", False),
        (r"hotel|hostel|inn", "TRAVEL_LODGING", False),
        (r"power|electric(ity)?|energy", "RENT_AND_UTILITIES_GAS_AND_ELECTRICITY", False),
        (r"water", "RENT_AND_UTILITIES_WATER", False),
        (r"broadband|internet|cable", "RENT_AND_UTILITIES_INTERNET_AND_CABLE", False),
        (r"mobile|telecom|phone", "RENT_AND_UTILITIES_TELEPHONE", False),
        (r"rent", "RENT_AND_UTILITIES_RENT", False),
        (r"pharmacy|chemist", "MEDICAL_PHARMACIES_AND_SUPPLEMENTS", False),
        (r"dental|dentist", "MEDICAL_DENTAL_CARE", False),
        (r"gym|fitness", "PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS", False),
        (r"insurance", "GENERAL_SERVICES_INSURANCE", False),
        (r"mortgage", "LOAN_PAYMENTS_MORTGAGE_PAYMENT", False),
        (r"credit card payment", "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT", False),
        (r"wire|transfer|zelle|ach", "TRANSFER_OUT_ACCOUNT_TRANSFER", False),
        (r"wire|transfer|zelle|ach", "TRANSFER_IN_ACCOUNT_TRANSFER", True),
    )
)
"""What a bank writes, what it is for, and whether the money comes in; the first that fits."""


@dataclass(frozen=True, slots=True)
class Category:
    """What a transaction is for.

    Args:
        confidence: As the taxonomy has it: `VERY_HIGH`, `HIGH`, `MEDIUM`, `LOW` or `UNKNOWN`.
    """

    primary: str
    detailed: str
    confidence: str


def category_of(found: Staged) -> Category:
    """Return what a transaction is for."""
    told = found.category or {}
    detailed = told.get("detailed", "")
    if told.get("version") != VERSION:
        detailed = _SINCE_V1.get(detailed, detailed)
    primary = _primary_of(detailed)
    if primary is not None and told.get("confidence") in _SURE:
        return Category(primary, detailed, told["confidence"])
    comes_in = found.amount_minor < 0
    text = f"{found.merchant or ''} {found.name}"
    for words, known, flows_in in _WORDS:
        if flows_in == comes_in and words.search(text):
            return Category(
                str(_primary_of(known)), known, "MEDIUM" if primary == _primary_of(known) else "LOW"
            )
    if primary is not None:
        return Category(primary, detailed, told.get("confidence", "UNKNOWN"))
    return Category("OTHER", "OTHER_OTHER", "UNKNOWN")


def _primary_of(detailed: str) -> str | None:
    """Return the category that a detailed one is a part of; None: of none that there is."""
    return next((one for one in PRIMARY if detailed.startswith(f"{one}_")), None)
