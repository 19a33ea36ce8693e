"""What a refund is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

from perdure.core.notes import Note
from perdure.notifications.contracts import Party

KIND: Final = "refund"
ID_PREFIX: Final = "rfd"
WORKFLOW: Final = "Refund"

GIVE_BACK: Final = "refund.give_back"
FIND_OUT: Final = "refund.find_out"
SETTLE: Final = "refund.settle"
CLOSE: Final = "refund.close"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What is asked for.

    Args:
        refund_of: The operation that is refunded.
        kind: Of what kind that is.
        account_id: The customer's account, which gets the money.
        amount_minor: In minor units of the currency: all that was taken.
        reason: Of whoever asked for it.
        customer: Told how it ended.
        reference: The caller's own name for what is refunded.
    """

    customer_id: str
    refund_of: str
    kind: str
    account_id: str
    amount_minor: int
    currency: str
    reason: str
    # What is given back is what was taken.
    customer: Annotated[Party, Note(correctable=True)] = field(default_factory=Party)
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class RefundInput:
    """The workflow's input.

    Args:
        provider: Who has to give it back, as in its queue's name.
        taken_by: The account in the ledger that the money went to.
    """

    operation_id: str
    request: RefundRequest
    provider: str
    taken_by: str


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What the provider answered that gave it back.

    Args:
        details: As the refund's result shows them.
    """

    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundFailure:
    """Why a refund is closed without success.

    Args:
        cancelled: Somebody asked for it; otherwise it failed.
    """

    code: str
    message: str
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class FoundOut:
    """What became of a call whose answer was lost; neither: it was not made, and will not be."""

    given: GivenBack | None = None
    refusal: RefundFailure | None = None


@dataclass(frozen=True, slots=True)
class SettleRefund:
    """The input of the step that moves the money on our books."""

    refund: RefundInput
    given: GivenBack


@dataclass(frozen=True, slots=True)
class CloseRefund:
    """The input of the step that ends a refund of which nothing came."""

    refund: RefundInput
    failure: RefundFailure


@dataclass(frozen=True, slots=True)
class RefundEnd:
    """How a refund ended, and who is to be told.

    Args:
        status: `succeeded`, `failed` or `cancelled`.
    """

    status: str
    failure: RefundFailure | None = None
    notification_ids: list[str] = field(default_factory=list)


class RefundProvider(Protocol):
    """How the provider of a kind of operation gives back."""

    @property
    def providers(self) -> Sequence[str]:
        """Who may have to give back, as in their queues' names."""
        ...

    @property
    def timeout_s(self) -> float:
        """The longest one call may take, in seconds."""
        ...

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the provider give back; it knows a repeat as such, by what the refund names.

        Raises:
            ProviderDeclined, InvalidInput: It does not, and did nothing.
            ProviderUnavailable, ProviderRateLimited: Nothing was done; try again later.
            ProviderOutcomeUnknown: It may have given back; `find` tells.
        """
        ...

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Ask the provider whether it has given back; None: it has not.

        Raises:
            ProviderError: It gave no answer; ask again.
        """
        ...
