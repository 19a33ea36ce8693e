"""`/v1/customers`: who they are."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, caller_with, check_customer
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Text
from perdure.profiles.model import Profile, ProfileStatus
from perdure.profiles.store import get_profile
from perdure.storage.row_security import seen

router = APIRouter(prefix="/v1/customers", tags=["customers"])

Reader = Annotated[ApiKey, Depends(caller_with("customers:read"))]


class CustomerView(BaseModel):
    """A customer; of one who was erased, only the id is left."""

    object: Literal["customer"] = "customer"
    customer_id: str
    status: ProfileStatus
    full_name: str = Field(description="The name; empty: the customer was erased.")
    email: str | None
    phone: str | None
    birth_date: date | None = Field(description="The date of birth.")
    country: str | None = Field(description="ISO 3166-1, two capitals.")
    created_at: datetime | None = Field(description="When the profile was made.")

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Show one."""
        return cls(
            customer_id=profile.customer_id,
            status=profile.status,
            full_name=profile.full_name,
            email=profile.email,
            phone=profile.phone,
            birth_date=profile.birth_date,
            country=profile.country,
            created_at=profile.created_at,
        )


@router.get("/{customer_id}", openapi_extra=refuses("other_customer", "customer_not_found"))
async def get_customer(customer_id: Text, platform: PlatformOfApp, caller: Reader) -> CustomerView:
    """Return a customer's profile."""
    check_customer(caller, customer_id)
    async with seen(platform.pool) as connection:
        return CustomerView.of(await get_profile(connection, customer_id))
