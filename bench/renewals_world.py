"""What the first of a month in miniature needs: customers, domains, and registries with limits."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Final

import httpx

from perdure.bootstrap import Platform
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.core.errors import PerdureError
from perdure.limits import store as limits
from perdure.limits.model import Limit
from perdure.operations.model import Operation
from perdure.providers.registry import registry_name
from perdure.renewals import domains
from perdure.renewals.acceptance import RenewalAcceptance
from perdure.renewals.contracts import KIND, RenewalRequest
from perdure.renewals.domains import NewDomain
from perdure.renewals.settings import RenewalSettings
from perdure.simulators.registry_domains import derived_domain, terms_of

CUSTOMERS: Final = 500
_BATCH: Final = 500
_DEPOSIT_MINOR: Final = 10**11
_WHO: Final = "bench"


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry, as the bench sets it.

    Args:
        share: Which part of the domains is its.
        per_second: Its own limit, and ours, of calls a second.
        at_once: The same of calls under way.
    """

    tld: str
    share: float
    per_second: int
    at_once: int


REGISTRIES: Final = (
    Registry("com", 0.5, 300, 40),
    Registry("info", 0.3, 180, 25),
    Registry("fr", 0.2, 120, 15),
)
"""Shares as the rates, so that all are done at about the same time; a renewal is two calls."""
LATENCY_S: Final = 0.05


class Customers:
    """Customers with money, in turn."""

    def __init__(self, accounts: Sequence[tuple[str, str]]) -> None:
        self._accounts = accounts

    def of(self, number: int) -> tuple[str, str]:
        """Return the customer and the account of the domain of a number."""
        return self._accounts[number % len(self._accounts)]


async def open_customers(platform: Platform) -> Customers:
    """Open the customers' accounts."""

    async def one(number: int) -> tuple[str, str]:
        customer_id = f"cus_bench_{number}"
        account = await open_customer_account(platform, customer_id, "USD", "Wallet")
        await pay_in(platform, account.id, _DEPOSIT_MINOR, "bench")
        return customer_id, account.id

    first = await one(0)  # opens the house's accounts too
    return Customers([first, *await asyncio.gather(*map(one, range(1, CUSTOMERS)))])


async def set_limits(platform: Platform) -> None:
    """Give each registry its own limits, and Perdure the same ones."""
    for registry in REGISTRIES:
        await control(
            platform,
            registry.tld,
            "PATCH",
            "/control/limits",
            {
                "requests_per_s": registry.per_second,
                "at_once": registry.at_once,
                "latency_s": LATENCY_S,
            },
        )
        limit = Limit(registry_name(registry.tld), registry.per_second, registry.at_once)
        await limits.set_limit(platform.pool, limit, actor=_WHO, reason="its contract")


async def control(
    platform: Platform, tld: str, method: str, path: str, body: object = None
) -> dict[str, Any]:
    """Ask a registry something that is none of its business with us."""
    url = platform.settings.of(RenewalSettings).registry_urls[tld]
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        answer = await client.request(method, path, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def names(count: int) -> Iterator[tuple[int, str]]:
    """Return numbered names of domains, of each registry in its share and turn."""
    owed = dict.fromkeys((registry.tld for registry in REGISTRIES), 0.0)
    for number in range(count):
        for registry in REGISTRIES:
            owed[registry.tld] += registry.share
        tld = max(owed, key=owed.__getitem__)
        owed[tld] -= 1
        yield number, f"bench-{number}.{tld}"


async def write_domains(platform: Platform, customers: Customers, count: int) -> None:
    """Write the domains into the table that the domain team has."""
    today = datetime.now(UTC).date()
    numbered = names(count)
    while batch := list(islice(numbered, _BATCH)):
        given = [
            NewDomain(name, customers.of(number)[0], expires_on(name, today))
            for number, name in batch
        ]
        async with platform.operations.transaction() as connection:
            await domains.import_many(connection, given)


def expires_on(name: str, today: date) -> date:
    """Return when the simulated registry has a domain end."""
    tld = name.rpartition(".")[2]
    price_minor = terms_of(tld).price_minor
    found = derived_domain(name, day=today, seed=0, price_minor=price_minor)
    assert found is not None
    return found.expires_on


async def enqueue(platform: Platform, customers: Customers, count: int) -> None:
    """Accept a renewal of every domain, into lanes."""
    numbered = names(count)
    while batch := list(islice(numbered, _BATCH)):
        requests = [request(customers, number, name) for number, name in batch]
        lanes = [platform.kinds.own(RenewalAcceptance).lane_for(one) for one in requests]
        async with platform.operations.transaction() as connection:
            accepted = await platform.kinds.acceptance(KIND).accept_many(
                connection, requests, actor=_WHO, lanes=lanes
            )
        for refused in accepted:
            if isinstance(refused, PerdureError):
                raise refused
        await platform.operations.run_lanes(KIND, sorted(set(lanes)))


def request(customers: Customers, number: int, name: str) -> RenewalRequest:
    """Return the request to renew a domain for a year."""
    customer_id, account_id = customers.of(number)
    return RenewalRequest(customer_id, name, 1, account_id)


async def renew_one(platform: Platform, customers: Customers, number: int, name: str) -> Operation:
    """Accept one renewal, as a customer's click does, for a workflow of its own."""
    async with platform.operations.transaction() as connection:
        operation = await platform.kinds.acceptance(KIND).accept(
            connection, request(customers, number, name), actor=_WHO
        )
    await platform.operations.launch(operation)
    return operation
