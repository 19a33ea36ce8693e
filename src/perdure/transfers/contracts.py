"""What a transfer is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note
from perdure.notifications.contracts import Party

KIND: Final = "transfer"
ID_PREFIX: Final = "tfr"
WORKFLOW: Final = "Transfer"

RUN_FIRST_TRY: Final = "transfer.run_at_once"
HOLD_FUNDS: Final = "transfer.hold_funds"
PAY_OUT: Final = "transfer.pay_out"
RESOLVE_PAYOUT: Final = "transfer.resolve_payout"
SETTLE: Final = "transfer.settle"
RECALL_PAYOUT: Final = "transfer.recall_payout"
CLOSE: Final = "transfer.close"

BANK: Final = "bank"
"""The provider, as in its queue's name."""
UNAVAILABLE: Final = "bank_unavailable"
"""The code where it cannot be reached."""


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """What the caller asks for."""

    customer_id: Annotated[str, Note(option="customer", help="Whose money it is.")]
    account_id: Annotated[
        str,
        Note(
            "The customer's account that the money comes from.",
            option="account",
            help="The account it comes from, acc_….",
        ),
    ]
    amount_minor: int
    currency: Annotated[str, Note(option_default="USD")]
    destination: Annotated[
        str,
        Note(
            "Where the money goes, as the bank names it.",
            examples=["DE89370400440532013000"],
            fixed_by="pay_out",
            help="Where it goes, as the bank names it: an IBAN.",
            in_summary=True,
            personal=True,
        ),
    ]
    customer: Annotated[Party, Note("Who is told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    reference: str | None = None
    description: Annotated[str, Note(correctable=True, free_text=True)] = ""


@dataclass(frozen=True, slots=True)
class TransferInput:
    """The workflow's input."""

    operation_id: str
    request: TransferRequest


@dataclass(frozen=True, slots=True)
class PayoutOutcome:
    """How a payout stands at the bank.

    Args:
        status: `paid`, `failed` or `recalled`.
        failure_code: The bank's, where it failed.
    """

    payout_id: str
    status: str
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class PayoutResolution:
    """What became of a call whose answer was lost; None: it was not made, and will not be."""

    payout: PayoutOutcome | None = None


@dataclass(frozen=True, slots=True)
class SettleTransfer:
    """The input of the step that posts the money."""

    transfer: TransferInput
    payout: PayoutOutcome


@dataclass(frozen=True, slots=True)
class CloseTransfer:
    """The input of the step that releases the money and ends the transfer."""

    transfer: TransferInput
    failure: Failure
