"""What of a request is personal, and the request without it."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

import pytest

from perdure.capabilities import installed
from perdure.core.errors import ConfigurationError
from perdure.core.notes import Note
from perdure.core.personal import emptied, names_in
from perdure.operations.steps import from_json, to_json
from perdure.payments.contracts import PaymentRequest
from perdure.trades.contracts import TradeRequest

ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+442079460000"}
NOBODY = {"name": "", "email": None, "phone": None}
PAYMENT = {
    "customer_id": "cus_ada",
    "account_id": "acc_1",
    "amount_minor": 5,
    "currency": "USD",
    "payment_method": "tok_ok",
    "payer": ADA,
    "payee": NOBODY | {"name": "Bob Cratchit"},
    "reference": "first",
    "description": "For a friend",
}


@dataclass(frozen=True)
class Person:
    """Somebody."""

    nicknames: Annotated[list[str], Note(personal=True)]


@dataclass(frozen=True)
class People:
    """Some, and a number that is theirs."""

    people: tuple[Person, ...] = ()
    lucky_number: Annotated[int, Note(personal=True)] = 7


def test_what_is_personal_is_emptied_and_all_else_stays() -> None:
    without = emptied(PaymentRequest, PAYMENT)
    assert without == PAYMENT | {
        "payment_method": "",
        "payer": NOBODY,
        "payee": NOBODY,
        "description": "",
    }
    assert to_json(from_json(PaymentRequest, without)) == without
    assert emptied(PaymentRequest, without) == without


def test_names_are_those_of_people_and_not_what_they_wrote() -> None:
    assert names_in(PaymentRequest, PAYMENT) == {*ADA.values(), "Bob Cratchit", "tok_ok"}


def test_of_a_part_of_a_request_only_that_is_looked_at() -> None:
    assert emptied(TradeRequest, {"buyer": ADA}) == {"buyer": NOBODY}
    assert names_in(TradeRequest, {"seller": ADA}) == {*ADA.values()}


def test_lists_are_looked_into() -> None:
    given: dict[str, Any] = {"people": [{"nicknames": ["Countess"]}, {"nicknames": []}]}
    assert names_in(People, given) == {"Countess"}
    assert emptied(People, given) == {"people": [{"nicknames": []}, {"nicknames": []}]}


def test_what_cannot_be_emptied_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"People\.lucky_number is personal"):
        emptied(People, {"lucky_number": 7})


@pytest.mark.parametrize("kind", installed().values(), ids=lambda kind: kind.name)
def test_each_kinds_request_can_be_emptied(kind: Any) -> None:
    emptied(kind.request, {field.name: None for field in fields(kind.request)})
