"""What can be refunded, done for each kind; and what each provider's own books say of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from perdure.capability import books
from perdure.operations.model import By, Operation
from tests.integration.payments.town import Town
from tests.integration.renewals.renewals import (
    PRICE_MINOR,
    own_domain,
    registry_of,
    renew,
    request_for,
    standings,
)
from tests.integration.transfers.transfers import payouts, transfer

ADA = By("ada", "Not wanted.")
FUNDS_MINOR = 100_000


@dataclass(frozen=True)
class Done:
    """An operation that has succeeded.

    Args:
        domain: Of a renewal.
    """

    id: str
    account: dict[str, str]
    amount_minor: int
    domain: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind that can be refunded.

    Args:
        do: Does one operation.
        given_back: How often the provider's own books have it given back.
        provider: Its controls.
        taken_by: The house's account, without the currency.
        entry: The key of the provider's own id in a refund's result.
    """

    do: Callable[[Town], Awaitable[Done]]
    given_back: Callable[[Town, Done], Awaitable[int]]
    provider: Callable[[Town], httpx.AsyncClient]
    taken_by: str
    entry: str


async def _pay(town: Town) -> Done:
    account = await town.account()
    payer = {"name": "Ada", "phone": "+15550100"}
    return Done(await town.pay(account, amount_minor=1_500, payer=payer), account, 1_500)


async def _gateway_refunds(town: Town, done: Done) -> int:
    page = (await town.gateway.get("/v1/refunds", params={"limit": 1000})).json()
    refunds = [one for one in page["data"] if one["charge_reference"] == done.id]
    (charge,) = await town.charges(done.id)
    assert charge["refunded_minor"] == sum(one["amount_minor"] for one in refunds)
    assert charge["refunded_minor"] in (0, done.amount_minor)
    return len(refunds)


async def _transfer(town: Town) -> Done:
    account = await town.account()
    return Done(await transfer(town, account), account, 1_000)


async def _recalls(town: Town, done: Done) -> int:
    return (await payouts(town, done.id)).count("recalled")


async def _renew(town: Town) -> Done:
    account = await town.account()
    name = await own_domain(town, account)
    renewal_id = await renew(town, request_for(account, name))
    return Done(renewal_id, account, PRICE_MINOR["info"], name)


async def _undone(town: Town, done: Done) -> int:
    return (await standings(town, done.domain)).count("undone")


KINDS = {
    "payment": Kind(
        _pay, _gateway_refunds, lambda town: town.gateway, "gateway_clearing", "gateway_refund_id"
    ),
    "transfer": Kind(_transfer, _recalls, lambda town: town.bank, "bank", "payout_id"),
    "renewal": Kind(
        _renew,
        _undone,
        lambda town: town.registries["info"].http,
        "registry_clearing",
        "registry_renewal_id",
    ),
}


async def done(town: Town, kind: str) -> Done:
    """Return a new operation of a kind, which has succeeded."""
    found = await KINDS[kind].do(town)
    operation = await town.end_of(found.id)
    assert operation.status == "succeeded", operation.failure
    await check_balance(town, found, FUNDS_MINOR - found.amount_minor)
    return found


async def refund(town: Town, operation_id: str, by: By = ADA) -> Operation:
    """Ask for a refund."""
    return await town.platform.operations.actions.refund(operation_id, by)


async def check_balance(town: Town, found: Done, expected_minor: int) -> None:
    """See what is on the customer's account, and that nothing is held."""
    balance = await town.balance(found.account)
    assert (balance.posted_minor, balance.available_minor) == (expected_minor, expected_minor)


@asynccontextmanager
async def misbehaves(provider: httpx.AsyncClient, *kinds: str) -> AsyncIterator[None]:
    """Have everything that acts at a provider meet a fault, while the context is open."""
    faults = {"rate": 1, "kinds": list(kinds)}
    (await provider.put("/control/faults", json=faults)).raise_for_status()
    try:
        yield
    finally:
        (await provider.put("/control/faults", json={"rate": 0})).raise_for_status()


async def broken(town: Town, *ids: str) -> set[str]:
    """Return the invariants that these operations break, in our books and in the providers'."""
    found = await books.violations(town.platform.pool, town.books)
    return {one.name for one in found if not ids or set(one.subject_ids) & set(ids)}


async def told(town: Town, operation_id: str) -> list[tuple[str, str | None, Any]]:
    """Return what the trail says of refunds: what was done, why, and by which refund."""
    return [
        (entry.action, entry.reason, (entry.data or {}).get("refund"))
        for entry in await town.platform.operations.trail(operation_id)
        if "refund" in entry.action
    ]


def registry(town: Town, found: Done) -> httpx.AsyncClient:
    return registry_of(town, found.domain).http
