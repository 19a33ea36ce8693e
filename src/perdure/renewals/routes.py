"""The routes that only renewals have: domains, as their team knows them."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Number, RequestBody, Text
from perdure.core.errors import InvalidInput, NotFound
from perdure.core.tlds import longest_ending
from perdure.renewals import domains as store
from perdure.renewals.domain_file import DomainRow, RejectedRow, busy, read_domain
from perdure.renewals.settings import RenewalSettings

ROWS_MAX: Final = 1000

domains = APIRouter(prefix="/v1/domains", tags=["renewals"])

Reader = Annotated[ApiKey, Depends(house_caller_with("renewals:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("renewals:write"))]


class DomainRowBody(RequestBody):
    """A domain as its team knows it; it is looked at by itself, and refused by itself."""

    line: Number = Field(description="Where it stands in the file.", examples=[2])
    name: str = Field(description="In lower case.", examples=["example.info"])
    customer_id: str
    expires_on: str = Field(description="Its last day: 2027-11-21.", examples=["2027-11-21"])


class DomainsBody(RequestBody):
    """Domains to be taken in; of two with one name the later counts."""

    rows: Annotated[list[DomainRowBody], Field(max_length=ROWS_MAX)] = Field(
        description=f"At most {ROWS_MAX}.",
        examples=[
            [
                {
                    "line": 2,
                    "name": "example.info",
                    "customer_id": "cus_ada",
                    "expires_on": "2027-11-21",
                }
            ]
        ],
    )


class RejectedRowView(BaseModel):
    """A row that was not taken in."""

    line: int = Field(description="Where it stands in the file.")
    name: str = Field(description="As it was given.")
    code: str
    message: str


class DomainImportView(BaseModel):
    """What became of domains that were taken in."""

    object: Literal["domain_import"] = "domain_import"
    added: int = Field(description="How many were not known.")
    changed: int = Field(description="How many were known otherwise.")
    unchanged: int = Field(description="How many were known so.")
    rejected: list[RejectedRowView] = Field(description="Those that were not taken in, and why.")


class DomainView(BaseModel):
    """A domain as it is known."""

    object: Literal["domain"] = "domain"
    name: str = Field(description="In lower case.")
    customer_id: str
    expires_on: date = Field(description="Its last day.")
    status: str = Field(description="`active` or `expired`.")
    renewing: str | None = Field(description="The renewal that is under way.")
    renewed_by: str | None = Field(description="The renewal that renewed it last.")
    updated_at: datetime
    tld: str | None = Field(description="By which its registry is found; null: none has it.")


@domains.post("/import", openapi_extra=refuses("house_only"))
async def import_domains(
    body: DomainsBody, platform: PlatformOfApp, _caller: Writer
) -> DomainImportView:
    """Take domains in, as their team knows them; one that is being renewed is left as it is."""
    rejected: list[RejectedRow] = []
    rows: dict[str, DomainRow] = {}
    for given in body.rows:
        try:
            found = read_domain(given.name, given.customer_id, given.expires_on)
        except InvalidInput as error:
            rejected.append(RejectedRow(given.line, given.name, error.code, error.message))
        else:
            rows[found.name] = DomainRow(given.line, found)
    async with platform.operations.transaction() as connection:
        done = await store.import_many(connection, [row.domain for row in rows.values()])
    rejected += [busy(rows[name]) for name in done.busy]
    return DomainImportView(
        added=done.added,
        changed=done.changed,
        unchanged=done.unchanged,
        rejected=[RejectedRowView(**asdict(row)) for row in rejected],
    )


@domains.get("/{name}", openapi_extra=refuses("house_only", "domain_not_found"))
async def get_domain(name: Text, platform: PlatformOfApp, _caller: Reader) -> DomainView:
    """Return what is known of a domain, and what renews it now."""
    found = await store.find(platform.pool, name)
    if found is None:
        raise NotFound(f"There is no domain {name}.", code="domain_not_found", param="name")
    tlds = platform.settings.of(RenewalSettings).tlds
    return DomainView(**asdict(found), tld=longest_ending(found.name, tlds))
