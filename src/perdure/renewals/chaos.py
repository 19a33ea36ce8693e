"""Renewals as chaos makes them, and what the registries' books say of each."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any, Final

import httpx

from perdure.chaos.client import PersistentClient
from perdure.chaos.dice import Dice
from perdure.chaos.load import Entry, Load, Part, ProviderBooks
from perdure.chaos.planned import Asked
from perdure.cli.machine import Machine
from perdure.core.clock import utc_now
from perdure.ledger.chart import SystemAccount
from perdure.providers.registry import REGISTRY_ROLE
from perdure.renewals import domains
from perdure.renewals.domains import NewDomain
from perdure.storage.outages import wait_out
from perdure.storage.pool import transaction

NAMES: Final = {
    "shop": 20,
    "flaky": 1,
    "busy": 1,
    "error": 1,
    "cut": 1,
    "timeout": 1,
    "slow": 1,
    "inuse": 1,
    "locked": 1,
    "unregistered": 1,
}
"""What a domain's name begins with; see docs/simulators.md."""
NEVER_RENEWED: Final = frozenset({"locked", "unregistered"})
"""What the name begins with of one whose renewal must not succeed."""
PRICES_MINOR: Final = {"info": 1499, "fr": 899, "com": 1199}
"""What a registry takes for a year."""
FINAL_TLD: Final = "fr"
"""Its registry takes no renewal back: one that is cancelled too late stands, and is paid for."""


def _ask(dice: Dice) -> Asked:
    tld, begins = dice.choice(list(PRICES_MINOR)), dice.weighted(NAMES)
    owner = dice.contact()
    return Asked(
        amount_minor=PRICES_MINOR[tld],
        method=f"{begins} at .{tld}",
        body={
            "domain": f"{begins}-{dice.seed}-{dice.number}.{tld}",
            "customer": owner.party("Owner"),
        },
        customer=owner,
        never_succeeds=begins in NEVER_RENEWED,
        may_stand=tld == FINAL_TLD,
        is_refundable=tld != FINAL_TLD,
    )


def _renewal(entry: Mapping[str, Any]) -> Entry:
    is_billed = entry["status"] == "renewed"
    return Entry(entry["reference"], entry["status"], entry["price_minor"] if is_billed else 0)


async def _take_in(part: Part, _: PersistentClient) -> None:
    """Take the domains in, with the dates that their registries have, as their team knows them.

    Raises:
        ProviderUnavailable: A registry, or the database, stayed away.
    """
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        names = [str(each.asked.body["domain"]) for each in part.planned]
        customer_id = part.storm.plan.customer_id
        known = [
            NewDomain(
                name, customer_id, await wait_out(partial(_last_day, http, part.machine, name))
            )
            for name in names
        ]

    async def write() -> None:
        async with transaction(part.platform.pool) as connection:
            await domains.import_many(connection, known)

    await wait_out(write)


async def _last_day(http: httpx.AsyncClient, machine: Machine, name: str) -> date:
    tld = name.rpartition(".")[2]
    url = machine.books[REGISTRY_ROLE.name][tld].given["url"]
    try:
        answer = await http.get(f"{url}/v1/domains", params={"name": name})
        found = answer.raise_for_status().json()["data"]
    except httpx.HTTPError as error:
        raise TimeoutError(f"The registry of .{tld} is away: {error}.") from error
    # One that is registered nowhere has some date with us all the same.
    return date.fromisoformat(found[0]["expires_on"]) if found else utc_now().date()


LOAD: Final = Load(
    usual=10,
    ask=_ask,
    taken_by=SystemAccount.REGISTRY_CLEARING,
    owes_all=True,
    books=(ProviderBooks(REGISTRY_ROLE.name, "/control/renewals", "renewals", _renewal),),
    prepare=_take_in,
)
