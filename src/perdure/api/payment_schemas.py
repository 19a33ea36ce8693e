"""Payments as they are asked for and shown."""

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
from perdure.payments.capability import public_status
from perdure.payments.contracts import PaymentInput, PaymentRequest, PaymentStatus


class PaymentBody(RequestBody):
    """A payment to be made."""

    customer_id: CustomerId
    account_id: Text = Field(description="The customer's account that pays.")
    amount_minor: AmountMinor
    currency: Currency
    payment_method: Text = Field(description="The gateway's token.", examples=["tok_ok"])
    payer: PartyBody = Field(default=PartyBody(), description="Who pays; told how it ended.")
    payee: PartyBody = Field(default=PartyBody(), description="Who is paid; told how it ended.")
    reference: Reference | None = Field(
        default=None,
        description="Your own name for it: one payment of a customer has it, for good.",
    )
    description: OptionalText = ""
    metadata: Metadata = Field(default_factory=dict)
    deadline: Deadline | None = None
    bulk: bool = Field(
        default=False,
        description="One of many: carried out in a lane with others, at a fraction of the cost,"
        " behind what somebody waits for.",
    )

    def to_request(self) -> PaymentRequest:
        """Return what the capability is asked."""
        return PaymentRequest(
            customer_id=self.customer_id,
            account_id=self.account_id,
            amount_minor=self.amount_minor,
            currency=self.currency,
            payment_method=self.payment_method,
            payer=self.payer.to_party(),
            payee=self.payee.to_party(),
            reference=self.reference,
            description=self.description,
        )


class PaymentView(BaseModel):
    """A payment."""

    object: Literal["payment"] = "payment"
    id: str
    status: Status
    public_status: PaymentStatus = Field(description="The same in four words.")
    customer_id: str
    account_id: str
    amount_minor: int
    currency: str
    payment_method: str = Field(description="The gateway's token.")
    payer: PartyView = Field(description="Who pays.")
    payee: PartyView = Field(description="Who is paid.")
    reference: str | None
    description: str
    charge_id: str | None = Field(description="The gateway's own id, once it has succeeded.")
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    deadline: datetime | None
    relaunch_of: str | None = Field(description="The payment that this one does again.")
    relaunched_as: str | None = Field(description="The payment that does this one again.")
    relaunch_status: Status | None = Field(description="Where `relaunched_as` stands.")
    refunded_by: str | None = Field(description="Its refund, once one is asked for.")
    refund_status: Status | None = Field(description="Where `refunded_by` stands.")
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, side: Side) -> "PaymentView":
        """Show a payment from its row."""
        operation = operation_seen_by(side, operation)
        request = from_json(PaymentInput, operation.input).request
        return cls(
            id=operation.id,
            status=operation.status,
            public_status=public_status(operation.status),
            customer_id=operation.customer_id,
            account_id=request.account_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            payment_method=request.payment_method,
            payer=PartyView.of(request.payer),
            payee=PartyView.of(request.payee),
            reference=operation.reference,
            description=request.description,
            charge_id=(operation.result or {}).get("charge", {}).get("charge_id"),
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


class PaymentCancellation(BaseModel):
    """The answer to a request to cancel."""

    object: Literal["cancellation"] = "cancellation"
    accepted: bool
    reason: str
    payment: PaymentView = Field(description="The payment, as it stands now.")


class PaymentWorkflow(BaseModel):
    """What the engine says of a payment."""

    object: Literal["payment_workflow"] = "payment_workflow"
    payment_id: str
    public_status: PaymentStatus = Field(description="Where it stands, by its own word.")
