"""Whether an operation can be refunded, and what is given back; no effects."""

from typing import Any

import pytest

from perdure.capability.assembly import refundable_kinds
from perdure.core.errors import Refused
from perdure.operations.allowed import Action, next_actions, why_not
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.refunding import (
    RefundableKind,
    RefundTerms,
    refund_instead,
    why_not_refunded,
)
from tests.unit.operations.operations import AT, CANCEL, operation

REFUNDABLE = refundable_kinds()
REQUEST = {"account_id": "acc_1", "amount_minor": 1_250, "currency": "EUR"}
INPUT = {"request": REQUEST, "registry": "registry-info"}


def _no_terms(_: Operation) -> RefundTerms:
    raise Refused("It is too old.", code="too_old")


def succeeded(**fields: Any) -> Operation:
    return operation(Status.SUCCEEDED, **{"input": INPUT, "finished_at": AT} | fields)


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        ("payment", None, ("sys_gateway_clearing_EUR", 1_250, "EUR", "gateway")),
        ("transfer", None, ("sys_bank_EUR", 1_250, "EUR", "bank")),
        (
            "renewal",
            {"price_minor": 1_499, "currency": "USD"},
            ("sys_registry_clearing_USD", 1_499, "USD", "registry-info"),
        ),
    ],
)
def test_all_that_was_taken_is_given_back_by_who_took_it(
    kind: str, result: dict[str, Any] | None, expected: tuple[object, ...]
) -> None:
    found = REFUNDABLE[kind].terms(succeeded(kind=kind, result=result))
    assert found.account_id == "acc_1"
    assert (found.taken_by, found.amount_minor, found.currency, found.provider) == expected


@pytest.mark.parametrize(
    ("status", "fields", "told"),
    [
        (
            Status.PROCESSING,
            {},
            "It is processing; only what has succeeded is refunded. Cancel it.",
        ),
        (Status.FAILED, {}, "It is failed; only what has succeeded is refunded."),
        (Status.REVERSING, {}, "It is reversing; only what has succeeded is refunded."),
        (Status.SUCCEEDED, {"kind": "bulk"}, "It is a bulk; those are not refunded."),
        (
            Status.SUCCEEDED,
            {"kind": "refund", "refund_of": "pay_1"},
            "It is the refund of pay_1, and not refunded itself.",
        ),
    ],
)
def test_a_no_says_why(status: Status, fields: dict[str, Any], told: str) -> None:
    found = operation(status, **fields)
    assert why_not_refunded(found, REFUNDABLE) == Failure("not_refundable", told)
    refusal = why_not(found, Action.REFUND, REFUNDABLE)
    assert refusal is not None
    assert (refusal.code, refusal.message) == ("not_refundable", f"{found.id}: {told}")
    assert Action.REFUND not in next_actions(found, REFUNDABLE)


def test_a_providers_last_word_stands() -> None:
    refusal = Failure("grace_period_over", "The time is over.")
    assert why_not_refunded(succeeded(refund_refusal=refusal), REFUNDABLE) == refusal


def test_a_kind_has_its_own_say() -> None:
    kinds = {"payment": RefundableKind("payment", _no_terms, told="payer")}
    assert why_not_refunded(succeeded(), kinds) == Failure("too_old", "It is too old.")


def test_what_has_succeeded_can_be_refunded_once() -> None:
    assert next_actions(succeeded(), REFUNDABLE) == [Action.REFUND]
    assert next_actions(succeeded(cancel_request=CANCEL), REFUNDABLE) == [Action.REFUND]
    # Asked again it is answered with the refund there is, which changes nothing.
    once = succeeded(refunded_by="rfd_1")
    assert why_not(once, Action.REFUND, REFUNDABLE) is None
    assert next_actions(once, REFUNDABLE) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "It has already succeeded. It can be refunded."),
        ({"refunded_by": "rfd_1"}, "It has already succeeded. Its refund is rfd_1."),
        (
            {"refund_refusal": Failure("not_refundable", "Never.")},
            "It has already succeeded. It cannot be refunded: Never.",
        ),
    ],
)
def test_cancelling_what_has_succeeded_says_what_can_be_done_r3(
    fields: dict[str, Any], told: str
) -> None:
    found = succeeded(**fields)
    refusal = why_not(found, Action.CANCEL, REFUNDABLE)
    assert refusal is not None
    assert refusal.message == f"{found.id}: {told}"


def test_nothing_is_said_of_refunds_where_there_are_none() -> None:
    assert refund_instead(succeeded(), {}) == ""
