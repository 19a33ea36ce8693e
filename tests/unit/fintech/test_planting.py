"""What `perdure demo fintech` plants: people, transfers, and statements with breaks in them."""

from collections import Counter
from datetime import date, timedelta
from io import BytesIO

from perdure.fintech.people import (
    CLOSED,
    Outcome,
    Wallet,
    iban_of,
    plan_applicants,
    plan_transfers,
    shares,
)
from perdure.fintech.statements import (
    DOLLARS,
    EUROS,
    SOURCES,
    TERMS,
    Line,
    as_camt053,
    as_csv,
    plant,
)
from perdure.reconciliation.matching.items import BreakClass
from perdure.reconciliation.statements import camt053, model, reading
from perdure.reconciliation.statements.csv_statement import CsvStatements
from perdure.reconciliation.statements.schemas import CsvColumnsBody

DAY = date(2026, 11, 27)
DEPOSITS = [Line(f"OPEN-{n}", (DOLLARS, EUROS)[n % 2], 100_000, DAY, "Deposit") for n in range(8)]
PAYOUTS = [
    Line(f"tfr_01h455vb4pex5vsknk084sn{n:03}", (DOLLARS, EUROS)[n % 2], -1_000 - n, DAY, "Out")
    for n in range(40)
]
RECEIVED = [Line(f"IN-{n}", EUROS, 1_000 + n, DAY, "In") for n in range(8)]


def test_people_are_as_many_as_asked_for_and_some_become_no_customers() -> None:
    for customers in (5, 100):
        applicants = plan_applicants(customers)
        assert sum(one.is_customer for one in applicants) == customers
        assert {one.outcome for one in applicants} == {*Outcome} - (
            {Outcome.ASKED} if customers < 7 else set()
        )
        assert len({one.customer_id for one in applicants}) == len(applicants)
        assert len({one.email for one in applicants}) == len(applicants)
    leaving = applicants[customers - 1]
    assert [one for one in applicants if one.full_name == leaving.full_name] == [leaving]


def test_transfers_stay_in_one_currency_and_are_the_same_each_time() -> None:
    wallets = [
        Wallet(f"cus_{n}", f"acc_{n}_{currency}", currency, iban_of(n))
        for n in range(4)
        for currency in (DOLLARS, EUROS)
    ]
    planned = list(plan_transfers(50, wallets))
    assert planned == list(plan_transfers(50, wallets))
    assert all(
        one.receiver is None
        or (one.receiver.currency == one.sender.currency and one.receiver != one.sender)
        for one in planned
    )
    assert sum(one.body["destination"] == CLOSED for one in planned) == 2
    assert shares(50_000, 3) == [16_667, 16_667, 16_666]
    assert int(f"{iban_of(7)[4:]}1314{iban_of(7)[2:4]}") % 97 == 1


def test_as_many_breaks_of_each_class_are_planted_as_asked_for() -> None:
    for of_each in (1, 3):
        planting = plant(DEPOSITS, PAYOUTS, RECEIVED, of_each=of_each)
        counts = Counter(break_class for break_class, _ in planting.planted)
        assert counts == dict.fromkeys(BreakClass, of_each)
        assert len({reference for _, reference in planting.planted}) == len(planting.planted)
        assert len(planting.rebooked) == of_each
        # Two classes take a line away, two add one.
        assert len(planting.lines) == len(DEPOSITS) + len(PAYOUTS) + len(RECEIVED)
        assert planting.day == DAY


def test_the_statements_can_be_read_and_add_up() -> None:
    planting = plant(DEPOSITS, PAYOUTS, RECEIVED, of_each=2)
    dollars, euros = planting.of(DOLLARS), planting.of(EUROS)
    columns = CsvColumnsBody(**TERMS[DOLLARS]["columns"]).columns()
    reader = CsvStatements(columns, SOURCES[DOLLARS], DOLLARS)
    written = as_csv(dollars).encode()
    check(dollars, [*reading.checked(reader.read(BytesIO(written), "utf-8"))])
    written = as_camt053(euros, SOURCES[EUROS], DAY).encode()
    check(euros, [*reading.checked(camt053.read_camt053(BytesIO(written), ""))])


def check(lines: list[Line], read: list[model.Beginning | model.Line | reading.Closed]) -> None:
    """See that a file says what it is to say, in the order of the days."""
    found = [one for one in read if isinstance(one, model.Line)]
    assert [(one.booked_on, one.amount_minor, one.references[-1]) for one in found] == [
        (line.booked_on, line.amount_minor, line.reference) for line in lines
    ]
    assert lines[0].booked_on in (DAY, DAY - timedelta(days=5))
    closed = read[-1]
    assert isinstance(closed, reading.Closed)
    assert closed.closing_minor == sum(line.amount_minor for line in lines)
    assert (closed.opening_minor, closed.to_on) == (0, DAY)
