"""The domains of a round, as their team knows them: with the dates that their registries have."""

from collections.abc import Mapping
from datetime import date
from functools import partial

import httpx

from perdure.bootstrap import Platform
from perdure.chaos.plan import Plan
from perdure.chaos.planned import PlannedRenewal
from perdure.core.clock import utc_now
from perdure.renewals import domains
from perdure.renewals.domains import NewDomain
from perdure.storage.outages import wait_out
from perdure.storage.pool import transaction


async def register_domains(
    plan: Plan, registry_urls: Mapping[str, str], platform: Platform
) -> None:
    """Take the domains in that a round renews; waits for a registry or a database that is away.

    Raises:
        ProviderUnavailable: One of them stayed away.
    """
    planned = [each for each in plan.operations if isinstance(each, PlannedRenewal)]
    if not planned:
        return
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        known = [
            NewDomain(
                each.domain,
                plan.customer_id,
                await wait_out(partial(_last_day, http, registry_urls[each.tld], each)),
            )
            for each in planned
        ]

    async def write() -> None:
        async with transaction(platform.pool) as connection:
            await domains.import_many(connection, known)

    await wait_out(write)


async def _last_day(http: httpx.AsyncClient, url: str, planned: PlannedRenewal) -> date:
    try:
        answer = await http.get(f"{url}/v1/domains", params={"name": planned.domain})
        found = answer.raise_for_status().json()["data"]
    except httpx.HTTPError as error:
        raise TimeoutError(f"The registry of .{planned.tld} is away: {error}.") from error
    # One that is registered nowhere has some date with us all the same.
    return date.fromisoformat(found[0]["expires_on"]) if found else utc_now().date()
