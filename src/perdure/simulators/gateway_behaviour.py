"""How the simulated gateway behaves: by test token, and by chance.

The tokens are used as payment methods, in the manner of Stripe's test cards
(https://docs.stripe.com/testing). `docs/simulators.md` has the table.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from perdure.simulators.faults import ALWAYS, Answer, Difference


class Confirmation(StrEnum):
    """What becomes of a charge after the confirm delay."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NEVER = "never"


class Lie(StrEnum):
    """What is not true in a callback that is sent before a charge has ended."""

    ID = "id"
    """Another charge under our reference has failed."""
    AMOUNT = "amount"
    CURRENCY = "currency"
    REFERENCE = "reference"
    """The charge made before this one has succeeded, under this one's id."""
    STATUS = "status"
    """It has failed, says the type; it has succeeded, says the status."""
    PENDING = "pending"
    """It has succeeded, says the type; it is pending, says the status."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How requests with one payment method are treated.

    Args:
        decline_code: Refuses at once.
        unavailable_first: How many first attempts are answered 503 before anything is done.
        rate_limited_first: How many first attempts are answered 429.
        answer: What the client gets once the charge is made.
        says: What that answer says otherwise than it is.
        does: What is done otherwise than it was asked for.
        confirmation: What becomes of the charge.
        callback_copies: How many times the callback is sent.
        callback_late: The callback is sent much later than the charge is confirmed.
        callback_first: The charge is confirmed and called back before it is answered.
        lie: What a callback tells that is sent besides, as soon as the charge is made.
    """

    decline_code: str | None = None
    unavailable_first: int = 0
    rate_limited_first: int = 0
    answer: Answer = Answer.NORMAL
    says: Difference | None = None
    does: Difference | None = None
    confirmation: Confirmation = Confirmation.SUCCEEDED
    callback_copies: int = 1
    callback_late: bool = False
    callback_first: bool = False
    lie: Lie | None = None


UNKNOWN_TOKEN: Final = Behaviour(decline_code="invalid_payment_method")

TOKENS: Final[dict[str, Behaviour]] = {
    "tok_ok": Behaviour(),
    "tok_declined": Behaviour(decline_code="card_declined"),
    "tok_fails_later": Behaviour(confirmation=Confirmation.FAILED),
    "tok_flaky": Behaviour(unavailable_first=2),
    "tok_rate_limited": Behaviour(rate_limited_first=2),
    "tok_down": Behaviour(unavailable_first=ALWAYS),
    "tok_flaky_after_effect": Behaviour(answer=Answer.UNAVAILABLE),
    "tok_cut_after_charge": Behaviour(answer=Answer.CUT),
    "tok_timeout_after_charge": Behaviour(answer=Answer.NEVER),
    "tok_slow": Behaviour(answer=Answer.SLOW),
    "tok_callback_before_response": Behaviour(callback_first=True),
    "tok_no_callback": Behaviour(callback_copies=0),
    "tok_duplicate_callback": Behaviour(callback_copies=3),
    "tok_late_callback": Behaviour(callback_late=True),
    "tok_in_use": Behaviour(answer=Answer.IN_USE),
    "tok_other_amount": Behaviour(does=Difference.AMOUNT),
    "tok_other_currency": Behaviour(does=Difference.CURRENCY),
    "tok_other_reference": Behaviour(does=Difference.REFERENCE),
    "tok_unknown_status": Behaviour(does=Difference.STATUS),
    "tok_never_confirmed": Behaviour(confirmation=Confirmation.NEVER),
    **{f"tok_callback_lies_{lie}": Behaviour(lie=lie) for lie in Lie},
    # What follows is the fraud scorer's; the gateway charges as usual.
    "tok_fraud": Behaviour(),
    "tok_fraud_slow": Behaviour(),
    "tok_fraud_flaky": Behaviour(),
    "tok_fraud_down": Behaviour(),
    "tok_fraud_review": Behaviour(),
    "tok_fraud_other_reference": Behaviour(),
}


class Fault(StrEnum):
    """What can go wrong by chance."""

    UNAVAILABLE_BEFORE = "unavailable_before"
    UNAVAILABLE_AFTER = "unavailable_after"
    CUT_AFTER = "cut_after"
    DELAY = "delay"
    IN_USE = "in_use"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    OTHER_REFERENCE = "other_reference"
    UNKNOWN_STATUS = "unknown_status"
    CALLBACK_DROPPED = "callback_dropped"
    CALLBACK_DOUBLED = "callback_doubled"
    CALLBACK_DELAYED = "callback_delayed"
    CALLBACK_LIES_ID = "callback_lies_id"
    CALLBACK_LIES_AMOUNT = "callback_lies_amount"
    CALLBACK_LIES_CURRENCY = "callback_lies_currency"
    CALLBACK_LIES_REFERENCE = "callback_lies_reference"
    CALLBACK_LIES_STATUS = "callback_lies_status"
    CALLBACK_LIES_PENDING = "callback_lies_pending"
    CALLBACK_LIES_FAILED = "callback_lies_failed"


_CHANGES: Final[dict[Fault, dict[str, Any]]] = {
    Fault.UNAVAILABLE_BEFORE: {"unavailable_first": ALWAYS},
    Fault.UNAVAILABLE_AFTER: {"answer": Answer.UNAVAILABLE},
    Fault.CUT_AFTER: {"answer": Answer.CUT},
    Fault.DELAY: {"answer": Answer.SLOW},
    Fault.IN_USE: {"answer": Answer.IN_USE},
    **{Fault(one): {"says": one} for one in Difference},
    Fault.CALLBACK_DROPPED: {"callback_copies": 0},
    Fault.CALLBACK_DOUBLED: {"callback_copies": 2},
    Fault.CALLBACK_DELAYED: {"callback_late": True},
    **{Fault(f"callback_lies_{lie}"): {"lie": lie} for lie in Lie},
}


def hit_by(behaviour: Behaviour, fault: Fault | None) -> Behaviour:
    """Return a behaviour as a fault changes it."""
    return replace(behaviour, **_CHANGES[fault]) if fault else behaviour
