"""Renewals as tests begin them, and what the registries' own books say of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from perdure.notifications.contracts import Party
from perdure.operations.model import Operation
from perdure.renewals import domains
from perdure.renewals.contracts import KIND, RenewalRequest
from perdure.renewals.domains import Domain, NewDomain
from perdure.simulators.registry_domains import TERMS
from perdure.storage.pool import transaction
from tests.integration.payments.town import Town
from tests.servers import RunningRegistry

PRICE_MINOR = {tld: terms.price_minor for tld, terms in TERMS.items()}
"""Of one year of a domain that is not premium, by TLD."""


def registry_of(town: Town, name: str) -> RunningRegistry:
    """Return the registry that a domain is registered at."""
    return town.registries[name.rpartition(".")[2]]


def new_name(token: str = "", tld: str = "info") -> str:
    """Return a name that no other test has; the token says how its registry behaves."""
    return f"{token}-{uuid4().hex[:12]}.{tld}".removeprefix("-")


async def own_domain(
    town: Town, account: dict[str, str], token: str = "", *, tld: str = "info"
) -> str:
    """Give the account's customer a domain, with the registry's own date; returns its name."""
    name = new_name(token, tld)
    known = (await registry_of(town, name).http.get(f"/control/domains/{name}")).json()
    in_a_month = (date.today() + timedelta(days=30)).isoformat()  # noqa: DTZ011
    # What the registry has expired, or does not know, is a surprise to us.
    expires_on = in_a_month if token in ("expired", "unregistered") else known["expires_on"]
    await write_domain(town, name, account["customer_id"], date.fromisoformat(expires_on))
    return name


async def write_domain(town: Town, name: str, customer_id: str, expires_on: date) -> None:
    """Write a domain as its team knows it."""
    async with transaction(town.platform.pool) as connection:
        await domains.import_many(connection, [NewDomain(name, customer_id, expires_on)])


def request_for(account: dict[str, str], name: str, **more: Any) -> RenewalRequest:
    """Return a request to renew by a year, unless told otherwise."""
    return RenewalRequest(
        account["customer_id"],
        name,
        more.pop("years", 1),
        account["account_id"],
        Party("Ada", phone="+15550100"),
        **more,
    )


async def accept(town: Town, request: RenewalRequest, *, bulk: bool = False) -> Operation:
    """Accept a renewal into a lane, or for a workflow of its own; nothing is started."""
    renewals = town.platform.kinds.acceptance(KIND)
    lane = town.platform.kinds.lane_for(KIND, request) if bulk else None
    async with town.platform.operations.transaction() as connection:
        return await renewals.accept(connection, request, actor="tests", lane=lane)


async def renew(town: Town, request: RenewalRequest, *, bulk: bool = False) -> str:
    """Accept a renewal and have it begin; returns its id."""
    found = await accept(town, request, bulk=bulk)
    if found.lane is None:
        await town.platform.operations.launch(found)
    else:
        await town.platform.operations.run_lanes(KIND, [found.lane])
    return found.id


async def domain(town: Town, name: str) -> Domain:
    """Return a domain's row."""
    found = await domains.find(town.platform.pool, name)
    assert found is not None, f"there is no {name}"
    return found


async def standings(town: Town, name: str) -> list[str]:
    """Return how the renewals of a domain stand in the registry's own books."""
    return [renewal["status"] for renewal in await registry_of(town, name).log(name)]


@asynccontextmanager
async def registry_away(registry: RunningRegistry, kind: str) -> AsyncIterator[None]:
    """Have a registry be away, while the context is open."""
    (await registry.http.put("/control/outage", json={"kind": kind})).raise_for_status()
    try:
        yield
    finally:
        (await registry.http.put("/control/outage", json={"kind": None})).raise_for_status()


@asynccontextmanager
async def registry_misbehaves(registry: RunningRegistry, *kinds: str) -> AsyncIterator[None]:
    """Have everything that acts at a registry meet a fault, while the context is open."""
    faults = {"rate": 1, "kinds": list(kinds)}
    (await registry.http.put("/control/faults", json=faults)).raise_for_status()
    try:
        yield
    finally:
        (await registry.http.put("/control/faults", json={"rate": 0})).raise_for_status()


def ended(operation: Operation) -> tuple[str, str | None]:
    return operation.status, operation.failure.code if operation.failure else None


async def actions(town: Town, operation_id: str) -> list[str]:
    """Return what the renewal's trail says was done."""
    return [entry.action for entry in await town.platform.operations.trail(operation_id)]
