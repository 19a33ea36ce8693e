"""Renewals as they are asked for and shown."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from perdure.api.party_schemas import PartyBody, PartyView
from perdure.api.schemas import (
    AmountMinor,
    CancelRequestView,
    CustomerId,
    Deadline,
    FailureView,
    Metadata,
    Reference,
    RequestBody,
    Text,
)
from perdure.operations.customer_view import operation_seen_by
from perdure.operations.model import Operation, Side, Status
from perdure.operations.steps import from_json
from perdure.renewals.contracts import RenewalInput, RenewalRequest


class RenewalBody(RequestBody):
    """A renewal to be made."""

    customer_id: CustomerId
    account_id: Text = Field(description="The customer's account that pays.")
    domain: Text = Field(description="In lower case.", examples=["example.info"])
    years: int = Field(default=1, description="By how many it is renewed: 1 to 10.")
    customer: PartyBody = Field(default=PartyBody(), description="Who is told how it ended.")
    price_minor_max: AmountMinor | None = Field(
        default=None,
        description="The most it may cost, for all years, in minor units. A premium domain is"
        " renewed only where this is given.",
    )
    current_expires_on: Text | None = Field(
        default=None,
        description="The domain's last day, as you show it to the customer (2027-11-21): asked"
        " for again when it is done, by a second click say, it is the same renewal, not another.",
    )
    reference: Reference | None = Field(
        default=None,
        description="Your own name for it: one renewal of a customer has it, for good.",
    )
    metadata: Metadata = Field(default_factory=dict)
    deadline: Deadline | None = None
    bulk: bool = Field(
        default=False,
        description="One of many: carried out in a lane with others, at a fraction of the cost,"
        " behind what somebody waits for.",
    )

    def to_request(self) -> RenewalRequest:
        """Return what the capability is asked."""
        return RenewalRequest(
            customer_id=self.customer_id,
            domain=self.domain,
            years=self.years,
            account_id=self.account_id,
            customer=self.customer.to_party(),
            reference=self.reference,
            price_minor_max=self.price_minor_max,
            current_expires_on=self.current_expires_on,
        )


class RenewalView(BaseModel):
    """A renewal."""

    object: Literal["renewal"] = "renewal"
    id: str
    status: Status
    customer_id: str
    account_id: str
    domain: str = Field(description="In lower case.")
    years: int = Field(description="By how many it is renewed.")
    customer: PartyView = Field(description="Who is told how it ended.")
    price_minor_max: int | None = Field(
        description="The most it may cost, for all years, in minor units."
    )
    reference: str | None
    current_expires_on: date = Field(description="The domain's last day when it was accepted.")
    expires_on: date | None = Field(description="Its new last day, once it has succeeded.")
    price_minor: int | None = Field(description="What was paid, once it has succeeded.")
    currency: str | None
    registry_renewal_id: str | None = Field(
        description="The registry's own id, once it has succeeded."
    )
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    deadline: datetime | None
    relaunch_of: str | None = Field(description="The renewal that this one does again.")
    relaunched_as: str | None = Field(description="The renewal that does this one again.")
    relaunch_status: Status | None = Field(description="Where `relaunched_as` stands.")
    refunded_by: str | None = Field(description="Its refund, once one is asked for.")
    refund_status: Status | None = Field(description="Where `refunded_by` stands.")
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, side: Side) -> "RenewalView":
        """Show a renewal from its row."""
        operation = operation_seen_by(side, operation)
        given, result = from_json(RenewalInput, operation.input), operation.result or {}
        request = given.request
        return cls(
            id=operation.id,
            status=operation.status,
            customer_id=operation.customer_id,
            account_id=request.account_id,
            domain=request.domain,
            years=request.years,
            customer=PartyView.of(request.customer),
            price_minor_max=request.price_minor_max,
            reference=operation.reference,
            current_expires_on=date.fromisoformat(given.current_expires_on),
            expires_on=result.get("expires_on"),
            price_minor=result.get("price_minor"),
            currency=result.get("currency"),
            registry_renewal_id=result.get("registry_renewal_id"),
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


class RenewalCancellation(BaseModel):
    """The answer to a request to cancel."""

    object: Literal["cancellation"] = "cancellation"
    accepted: bool
    reason: str
    renewal: RenewalView = Field(description="The renewal, as it stands now.")
