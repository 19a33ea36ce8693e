"""Transfers as they are asked for and shown."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from perdure.api.party_schemas import PartyBody, PartyView
from perdure.api.schemas import (
    AmountMinor,
    CancelRequestView,
    Currency,
    CustomerId,
    Deadline,
    FailureView,
    Metadata,
    OptionalText,
    Reference,
    RequestBody,
    Text,
)
from perdure.operations.customer_view import operation_seen_by
from perdure.operations.model import Operation, Side, Status
from perdure.operations.steps import from_json
from perdure.transfers.contracts import TransferInput, TransferRequest


class TransferBody(RequestBody):
    """A transfer to be made."""

    customer_id: CustomerId
    account_id: Text = Field(description="The customer's account that the money comes from.")
    amount_minor: AmountMinor
    currency: Currency
    destination: Text = Field(
        description="Where the money goes, as the bank names it.",
        examples=["DE89370400440532013000"],
    )
    customer: PartyBody = Field(default=PartyBody(), description="Who is told how it ended.")
    reference: Reference | None = Field(
        default=None,
        description="Your own name for it: one transfer of a customer has it, for good.",
    )
    description: OptionalText = ""
    metadata: Metadata = Field(default_factory=dict)
    deadline: Deadline | None = None
    bulk: bool = Field(
        default=False,
        description="One of many: carried out in a lane with others, at a fraction of the cost,"
        " behind what somebody waits for.",
    )

    def to_request(self) -> TransferRequest:
        """Return what the capability is asked."""
        return TransferRequest(
            customer_id=self.customer_id,
            account_id=self.account_id,
            amount_minor=self.amount_minor,
            currency=self.currency,
            destination=self.destination,
            customer=self.customer.to_party(),
            reference=self.reference,
            description=self.description,
        )


class TransferView(BaseModel):
    """A transfer."""

    object: Literal["transfer"] = "transfer"
    id: str
    status: Status
    customer_id: str
    account_id: str
    amount_minor: int
    currency: str
    destination: str = Field(description="Where the money goes, as the bank names it.")
    customer: PartyView = Field(description="Who is told how it ended.")
    reference: str | None
    description: str
    payout_id: str | None = Field(description="The bank's own id, once it has succeeded.")
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    deadline: datetime | None
    relaunch_of: str | None = Field(description="The transfer that this one does again.")
    relaunched_as: str | None = Field(description="The transfer that does this one again.")
    relaunch_status: Status | None = Field(description="Where `relaunched_as` stands.")
    refunded_by: str | None = Field(description="Its refund, once one is asked for.")
    refund_status: Status | None = Field(description="Where `refunded_by` stands.")
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, side: Side) -> "TransferView":
        """Show a transfer from its row."""
        operation = operation_seen_by(side, operation)
        request = from_json(TransferInput, operation.input).request
        return cls(
            id=operation.id,
            status=operation.status,
            customer_id=operation.customer_id,
            account_id=request.account_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            destination=request.destination,
            customer=PartyView.of(request.customer),
            reference=operation.reference,
            description=request.description,
            payout_id=(operation.result or {}).get("payout", {}).get("payout_id"),
            failure=FailureView.of(operation.failure),
            cancel_request=CancelRequestView.of(operation.cancel_request),
            deadline=operation.deadline_at,
            relaunch_of=operation.relaunch_of,
            relaunched_as=operation.relaunched_as,
            relaunch_status=operation.relaunch_status,
            refunded_by=operation.refunded_by,
            refund_status=operation.refund_status,
            metadata=operation.metadata,
            created_at=operation.created_at,
            updated_at=operation.updated_at,
            finished_at=operation.finished_at,
        )


class TransferCancellation(BaseModel):
    """The answer to a request to cancel."""

    object: Literal["cancellation"] = "cancellation"
    accepted: bool
    reason: str
    transfer: TransferView = Field(description="The transfer, as it stands now.")
