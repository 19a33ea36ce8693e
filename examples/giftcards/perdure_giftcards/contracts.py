"""What a giftcard is given, and what it answers.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from perdure import Effect, EffectStatuses, Failure, Note, PaidRequest

PROVIDER: Final = "giftcards"
"""Who is asked for them, as in its queue's name."""
UNAVAILABLE: Final = "giftcards_unavailable"
"""The code where it cannot be reached."""


@dataclass(frozen=True, slots=True)
class GiftcardRequest(PaidRequest):
    """What the caller asks for."""

    item: Annotated[
        str,
        Note(
            "What is ordered, as the provider names it.",
            examples=["standard"],
            fixed_by="order_giftcard",
            in_summary=True,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Giftcard:
    """What the workflow is given, and the steps until it is ordered."""

    operation_id: str
    request: GiftcardRequest


ORDER_STATUSES: Final = EffectStatuses(stands="fulfilled", undone="revoked")


@dataclass(frozen=True, slots=True)
class Order(Effect):
    """An order at the provider; its status is one of `ORDER_STATUSES`, as far as we know."""


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """What is found of an order whose answer was lost, or is left of one that was to be undone."""

    order: Order | None = None


@dataclass(frozen=True, slots=True)
class OrderedGiftcard(Giftcard):
    """What the step is given that posts the money."""

    order: Order


@dataclass(frozen=True, slots=True)
class FailedGiftcard(Giftcard):
    """What the step is given that releases the money and ends the giftcard."""

    failure: Failure
