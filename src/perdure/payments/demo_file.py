"""The demo's file of payments: every kind of outcome there is, and what each row must come to."""

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perdure.core.ids import ACCOUNT, new_id
from perdure.payments.import_file import COLUMNS
from perdure.payments.import_outcomes import REJECTED

CANCELLED_PREFIX: Final = "demo-cancel-"
"""The references of the payments that are cancelled while they are in flight."""

_ROWS_PER_KIND: Final = 60
"""A file of so many payments has one of each kind; the rest are plain ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row must come to."""

    status: str
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of payment.

    Args:
        label: What happens to it, for people.
        payment_method: The token that has the simulators do so.
        prefix: Of its rows' references.
    """

    label: str
    payment_method: str
    outcome: Outcome
    prefix: str = "demo-"


_SUCCEEDED: Final = Outcome("succeeded")
_CANCELLED: Final = Outcome("cancelled", "cancelled")

PLAIN: Final = Kind("plain", "tok_ok", _SUCCEEDED)

KINDS: Final = (
    Kind("gateway answers 503, twice", "tok_flaky", _SUCCEEDED),
    Kind("gateway asks to slow down", "tok_rate_limited", _SUCCEEDED),
    Kind("503 after the money was taken", "tok_flaky_after_effect", _SUCCEEDED),
    Kind("cut off after the money was taken", "tok_cut_after_charge", _SUCCEEDED),
    Kind("no answer after the money was taken", "tok_timeout_after_charge", _SUCCEEDED),
    Kind("slow answer", "tok_slow", _SUCCEEDED),
    Kind("callback before the answer", "tok_callback_before_response", _SUCCEEDED),
    Kind("callback three times", "tok_duplicate_callback", _SUCCEEDED),
    Kind("callback lost", "tok_no_callback", _SUCCEEDED),
    Kind("callback after the time is over", "tok_late_callback", _SUCCEEDED),
    Kind("slow fraud check", "tok_fraud_slow", _SUCCEEDED),
    Kind("fraud check answers 503, twice", "tok_fraud_flaky", _SUCCEEDED),
    Kind("declined", "tok_declined", Outcome("failed", "card_declined")),
    Kind("not a payment method", "tok_unheard_of", Outcome("failed", "invalid_payment_method")),
    Kind("fails at the gateway later", "tok_fails_later", Outcome("failed", "insufficient_funds")),
    Kind("suspected of fraud", "tok_fraud", Outcome("failed", "fraud_suspected")),
    Kind("never confirmed", "tok_never_confirmed", Outcome("failed", "not_confirmed")),
    Kind("gateway down for it", "tok_down", Outcome("failed", "gateway_unavailable")),
    Kind("cancelled, to refund", "tok_no_callback", _CANCELLED, CANCELLED_PREFIX),
    Kind("cancelled, to call off", "tok_never_confirmed", _CANCELLED, CANCELLED_PREFIX),
)
"""Besides the plain one. `docs/simulators.md` says what each token does."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account to pay from."""

    customer_id: str
    account_id: str
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """A line of the file, and what it must come to."""

    line: int
    label: str
    outcome: Outcome


def write_demo_file(
    path: Path, payments: int, wallets: list[Wallet], poor: Wallet
) -> list[ExpectedRow]:
    """Write a file of payments and some bad rows; returns what each line must come to.

    Args:
        payments: How many rows become payments.
        wallets: Accounts with money enough.
        poor: One without.
    """
    rows = [
        (kind.label, kind.outcome, _fields(number, kind, wallets[number % len(wallets)]))
        for number, kind in enumerate(_kinds(payments), 1)
    ]
    rows += _bad_rows(wallets[0], poor, first=rows[0])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(fields for _, _, fields in rows)
    return [ExpectedRow(line, label, outcome) for line, (label, outcome, _) in enumerate(rows, 2)]


def _kinds(payments: int) -> list[Kind]:
    each = max(1, payments // _ROWS_PER_KIND)
    kinds = [PLAIN, *(kind for kind in KINDS for _ in range(each))]
    kinds += [PLAIN] * (payments - len(kinds))
    shuffled = kinds[1:payments]
    random.Random(1).shuffle(shuffled)  # noqa: S311 - the same file every time
    # The first is plain: some bad rows are its likes.
    return [PLAIN, *shuffled]


def _fields(number: int, kind: Kind, wallet: Wallet) -> list[str]:
    # Most are told to nobody, so that two cores show more of payments than of mails.
    told = number % 4 == 0
    return [
        f"{kind.prefix}{number:05}",
        wallet.customer_id,
        wallet.account_id,
        str(100 + number),
        wallet.currency,
        kind.payment_method,
        f"payer-{number}@example.com" if told else "",
        f"+3361{number:07}" if number % 20 == 0 else "",
        f"Payee {number}",
        f"payee-{number}@example.com" if told else "",
        "",
        f"demo: {kind.label}",
    ]


_Row = tuple[str, Outcome, list[str]]


def _bad_rows(wallet: Wallet, poor: Wallet, *, first: _Row) -> Iterator[_Row]:
    def row(label: str, code: str, reference: str, **changes: str) -> _Row:
        fields = dict(zip(COLUMNS, _fields(0, PLAIN, wallet), strict=True))
        fields |= {"reference": reference, "amount_minor": "1250", **changes}
        return (f"bad row: {label}", Outcome(REJECTED, code), list(fields.values()))

    label, outcome, fields = first
    yield (f"{label}, the same row again", outcome, fields)
    other = [*fields[:3], "999", *fields[4:]]
    mismatch = Outcome(REJECTED, "idempotency_mismatch")
    yield ("bad row: reference used twice", mismatch, other)
    too_few = Outcome(REJECTED, "wrong_number_of_fields")
    yield ("bad row: too few fields", too_few, ["demo-bad-1", wallet.customer_id, "1250"])
    yield row("amount", "invalid_amount", "demo-bad-2", amount_minor="12.50")
    yield row("no such account", "account_not_found", "demo-bad-3", account_id=new_id(ACCOUNT))
    yield row("currency", "currency_mismatch", "demo-bad-4", currency="EUR")
    yield row("mail address", "invalid_input", "demo-bad-5", payer_email="ada")
    yield row(
        "account without money",
        "insufficient_funds",
        "demo-bad-6",
        customer_id=poor.customer_id,
        account_id=poor.account_id,
    )


def unexpected(expected: list[ExpectedRow], report: Mapping[int, Outcome]) -> list[str]:
    """Return the lines that came to something else, in words."""
    return [
        f"line {row.line} ({row.label}): expected {row.outcome}, got {report.get(row.line)}"
        for row in expected
        if report.get(row.line) != row.outcome
    ]


def read_report(path: Path) -> dict[int, Outcome]:
    """Return what each line of a file came to, as its import reported."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            int(row["line"]): Outcome(row["status"], row["failure_code"] or None)
            for row in csv.DictReader(file)
        }
