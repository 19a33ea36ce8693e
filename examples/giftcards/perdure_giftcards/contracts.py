"""What a giftcard is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

from perdure import (
    Failure,
    Note,
    Party,
)

KIND: Final = "giftcard"
ID_PREFIX: Final = "gft"
WORKFLOW: Final = "Giftcard"

RUN_FIRST_TRY: Final = "giftcard.run_first_try"
HOLD_FUNDS: Final = "giftcard.hold_funds"
ORDER: Final = "giftcard.order_giftcard"
RESOLVE_ORDER: Final = "giftcard.resolve_order"
REVOKE: Final = "giftcard.revoke_giftcard"
SETTLE: Final = "giftcard.settle"
CLOSE: Final = "giftcard.close"

PROVIDER: Final = "giftcards"
"""Who is asked for them, as in its queue's name."""


@dataclass(frozen=True, slots=True)
class GiftcardRequest:
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
    item: Annotated[
        str,
        Note(
            "What is ordered, as the provider names it.",
            examples=["standard"],
            fixed_by="order_giftcard",
            in_summary=True,
        ),
    ]
    customer: Annotated[Party, Note("Who is told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    reference: str | None = None
    description: Annotated[str, Note(correctable=True)] = ""


@dataclass(frozen=True, slots=True)
class GiftcardInput:
    """The workflow's input."""

    operation_id: str
    request: GiftcardRequest


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """How an order stands at the provider.

    Args:
        status: `fulfilled` or `revoked`.
    """

    order_id: str
    status: str


@dataclass(frozen=True, slots=True)
class OrderResolution:
    """What became of a call whose answer was lost; None: it was not made, and will not be."""

    order: OrderOutcome | None = None


@dataclass(frozen=True, slots=True)
class SettleGiftcard:
    """The input of the step that posts the money."""

    giftcard: GiftcardInput
    order: OrderOutcome


@dataclass(frozen=True, slots=True)
class CloseGiftcard:
    """The input of the step that releases the money and ends the giftcard."""

    giftcard: GiftcardInput
    failure: Failure
