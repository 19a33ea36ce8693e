"""What a payment is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note
from perdure.notifications.contracts import Party

KIND: Final = "payment"
ID_PREFIX: Final = "pay"
WORKFLOW: Final = "Payment"

HOLD_FUNDS: Final = "payment.hold_funds"
CHARGE: Final = "payment.charge"
CHARGE_FIRST_TRY: Final = "payment.charge_at_once"
RESOLVE_CHARGE: Final = "payment.resolve_charge"
CHECK_CHARGE: Final = "payment.check_charge"
CONFIRM_CHARGE: Final = "payment.confirm_charge"
SETTLE: Final = "payment.settle"
UNDO_CHARGE: Final = "payment.undo_charge"
CLOSE: Final = "payment.close"

LATE_CHARGE_WORKFLOW: Final = "LateCharge"
UNDO_LATE_CHARGE: Final = "payment.undo_late_charge"

GATEWAY: Final = "gateway"
"""The provider, as in its queue's name."""
UNAVAILABLE: Final = "gateway_unavailable"
"""The code where it cannot be reached."""

GATEWAY_CALLBACK: Final = "gateway_callback"
"""The signal that carries one of the gateway's confirmations."""
STATUS: Final = "status"
"""The query that answers with a `PaymentStatus`."""


def late_charge_workflow_id(payment_id: str) -> str:
    """Return the id of the workflow that undoes what was taken after a payment's end."""
    return f"{payment_id}-late-charge"


class PaymentStatus(StrEnum):
    """Where a payment stands, in the four words callers know."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What the caller asks for."""

    customer_id: Annotated[str, Note(option="customer", help="Who pays.")]
    account_id: Annotated[
        str,
        Note(
            "The customer's account that pays.",
            option="account",
            help="The account the money comes from, acc_….",
        ),
    ]
    amount_minor: int
    currency: Annotated[str, Note(option_default="USD")]
    payment_method: Annotated[
        str,
        Note(
            "The gateway's token.",
            examples=["tok_ok"],
            fixed_by="charge",
            option_default="tok_ok",
            in_summary=True,
            personal=True,
        ),
    ]
    payer: Annotated[Party, Note("Who pays; told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    payee: Annotated[Party, Note("Who is paid; told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    reference: str | None = None
    description: Annotated[str, Note(correctable=True, free_text=True)] = ""


@dataclass(frozen=True, slots=True)
class PaymentOptions:
    """What was in force when the payment was accepted.

    Args:
        callback_timeout_s: How long the gateway's confirmation is waited for, in seconds.
        daily_limit_minor: The most a customer pays a day (UTC) and currency; None: no limit.
    """

    callback_timeout_s: float = 300.0
    daily_limit_minor: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentInput:
    """The workflow's input."""

    operation_id: str
    request: PaymentRequest
    options: PaymentOptions = field(default_factory=PaymentOptions)


@dataclass(frozen=True, slots=True)
class HoldFunds:
    """The input of the step that sets the money aside.

    Args:
        daily_limit_minor: Counts the payment against this limit; None: does not count it.
    """

    payment: PaymentInput
    daily_limit_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What that step did.

    Args:
        hold_id: The pending transfer in the ledger.
        counted_on: The day the amount was counted on, as YYYY-MM-DD; None: not counted.
    """

    hold_id: str
    counted_on: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """How a charge stands at the gateway.

    Args:
        status: `pending`, `succeeded`, `failed` or `cancelled`.
        failure_code: The gateway's, where it failed.
    """

    charge_id: str
    status: str
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeResolution:
    """What became of a call whose answer was lost, or of a first try.

    Args:
        charge: None: the call was not made, or the gateway's queue goes on with it.
    """

    charge: ChargeOutcome | None = None


@dataclass(frozen=True, slots=True)
class GatewayCallback:
    """A confirmation that the gateway signed, as the signal carries it: a hint, not the truth.

    What was kept before the last four fields were has none of them, and agrees with nothing.

    Args:
        type: `charge.succeeded` or `charge.failed`, whatever the charge's status says.
        reference: Of the charge it is about, as are amount and currency.
    """

    event_id: str
    charge: ChargeOutcome
    type: str = ""
    reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class SettlePayment:
    """The input of the step that posts the money."""

    payment: PaymentInput
    charge: ChargeOutcome


@dataclass(frozen=True, slots=True)
class ClosePayment:
    """The input of the step that releases the money and ends the payment."""

    payment: PaymentInput
    failure: Failure
