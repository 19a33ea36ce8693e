"""Who is told how an operation ended, as they are named and shown."""

from pydantic import BaseModel, Field

from perdure.api.schemas import OptionalText, RequestBody, Text
from perdure.notifications.contracts import Party


class PartyBody(RequestBody):
    """Somebody who is told how it ended."""

    name: OptionalText = ""
    email: Text | None = None
    phone: Text | None = Field(
        default=None, description="In E.164 form.", examples=["+33123456789"]
    )

    def to_party(self) -> Party:
        """Return what the capability is given."""
        return Party(self.name, self.email, self.phone)


class PartyView(BaseModel):
    """A payer, a payee, a customer."""

    name: str
    email: str | None
    phone: str | None

    @classmethod
    def of(cls, party: Party) -> "PartyView":
        """Show one."""
        return cls(name=party.name, email=party.email, phone=party.phone)
