"""`perdure demo renewals`: a registry that is saturated, and everything renewed once all the same.

One top-level domain is renewed by Perdure, behind a flag; another still by the system before it.
The registry of the first is overrun, and many renewals stop there. Then the limit is set while all
of it runs, one bulk relaunch takes up what stopped, and the registries' own logs are the proof.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Final

import httpx
import typer

from perdure.bootstrap import Platform
from perdure.capability.books import invariants, violations
from perdure.cli import verify
from perdure.cli.demo_stage import DEMO_DIR, DataDir, run_story
from perdure.cli.machine import NO_OPTIONS, Machine, Report
from perdure.cli.output import Output, OutputFormat, out, print_error, print_table
from perdure.cli.ports import PortBase
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.core.errors import PerdureError
from perdure.flags.model import Rule
from perdure.ledger.verify import Violation
from perdure.limits import store as limits
from perdure.limits.model import Limit
from perdure.operations.bulk.model import BulkProgress, BulkQuery, NewBulk
from perdure.operations.model import Operation, Status
from perdure.providers.registry import registry_name, tld_of
from perdure.renewals import domains
from perdure.renewals.contracts import KIND, RenewalRequest
from perdure.renewals.domains import NewDomain
from perdure.renewals.legacy.on_machine import open_registries
from perdure.renewals.legacy.worker import LegacyRenewals
from perdure.renewals.settings import RenewalSettings

_SETTINGS: Final = {
    "PERDURE_REGISTRY_TIMEOUT_S": "0.7",
    # Nobody waits an hour for a demo: what has waited for so long needs attention.
    "PERDURE_RENEWAL_PATIENCE_S": "4",
}
_FLAG: Final = "renewals-engine"
_NEW_TLD: Final = "fr"
_OLD_TLD: Final = "info"
_ACTOR: Final = "demo"
"""Who does all this, as the trails say."""

_CUSTOMERS: Final = 20
_DEPOSIT_MINOR: Final = 10_000_000
_TWICE_EVERY: Final = 5
"""Of so many domains one is asked for twice, as by a double click."""
_OVERRUN: Final = {"requests_per_s": 0, "at_once": 2, "latency_s": 0.4}
_RECOVERED: Final = {"requests_per_s": 60, "at_once": 8, "latency_s": 0.1}
_PER_SECOND: Final = 40
_AT_ONCE: Final = 6
_LIMIT: Final = Limit(registry_name(_NEW_TLD), per_second=_PER_SECOND, at_once=_AT_ONCE)
_WHY_LIMITED: Final = "what the registry can take"
_WHY_RELAUNCHED: Final = "the registry is back, and its limit is kept now"
_POLL_S: Final = 0.5
_PATIENCE_S: Final = 300.0


@dataclass(slots=True)
class RenewalsResult:
    """What the demo shows.

    Args:
        stopped: Renewals that needed attention before the bulk.
        times_renewed: How many domains were renewed how often, by the registries' own logs.
    """

    domains: int
    asked: int = 0
    by_engine: Counter[str] = field(default_factory=Counter)
    stopped: int = 0
    bulk: BulkProgress = field(default_factory=BulkProgress)
    ended: Counter[str] = field(default_factory=Counter)
    times_renewed: Counter[int] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether each domain was renewed, once, and no invariant is broken."""
        every_one_once = self.times_renewed == Counter({1: self.domains})
        return every_one_once and not self.violations


@dataclass(frozen=True, slots=True)
class RenewalsStory:
    """Renewals at two registries.

    Args:
        domains: How many each has.
    """

    domains: int
    settings = _SETTINGS
    options = NO_OPTIONS
    legacy = False

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> RenewalsResult:
        """Overrun one registry, and have all renewed in the end."""
        async with _old_system(platform):
            return await _show(machine, platform, self.domains, tell)

    def as_json(self, result: RenewalsResult, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        return _as_json(result, seconds)

    def print(self, result: RenewalsResult, seconds: float) -> None:
        """Print what it showed."""
        _print(result, seconds)


@asynccontextmanager
async def _old_system(platform: Platform) -> AsyncIterator[None]:
    """Run the worker of the system before Perdure, as `perdure legacy worker` does."""
    async with open_registries(platform.settings) as registries:
        worker = LegacyRenewals(platform.pool, platform.ledger, registries)
        polling = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


async def _show(machine: Machine, platform: Platform, count: int, tell: Report) -> RenewalsResult:
    result = RenewalsResult(2 * count)
    tell(f"Flag: .{_NEW_TLD} is renewed by Perdure, everything else by the system before it.")
    await _set_flag(platform)
    await _control(platform, _NEW_TLD, "PATCH", "/control/limits", _OVERRUN)
    requests = await _write_domains(platform, count)
    await _hand_in(platform, requests, result)
    tell(
        f"{result.asked:,} requests for {result.domains:,} domains are in, some twice; the registry"
        f" of .{_NEW_TLD} takes two at a time, and nobody told Perdure."
    )
    result.stopped = await _until_stopped(platform, tell)
    tell(f"{result.stopped} renewals need attention: {await _reasons(platform)}.")
    await _control(platform, _NEW_TLD, "PATCH", "/control/limits", _RECOVERED)
    await limits.set_limit(platform.pool, _LIMIT, actor=_ACTOR, reason=_WHY_LIMITED)
    tell(
        f"perdure limits set {_LIMIT.provider} --per-second {_PER_SECOND} --at-once {_AT_ONCE}"
        f' --reason "{_WHY_LIMITED}"'
    )
    result.bulk = await _relaunch(platform, result.stopped, tell)
    await _until_ended(platform, tell)
    result.ended = await _statuses(platform)
    result.times_renewed = await _times_renewed(platform, requests)
    result.violations = await violations(
        platform.pool,
        {name: machine.books[name] for name in ("gateway", "registry")},
        balances=platform.balances,
    )
    return result


async def _set_flag(platform: Platform) -> None:
    flag = await platform.flags.get(_FLAG)
    wanted = replace(
        flag, default_variant="legacy", rules=(Rule("perdure", where={"tlds": (_NEW_TLD,)}),)
    )
    await platform.flags.put(wanted, actor=_ACTOR, reason="The first top-level domain moves.")
    await platform.flag_provider.refresh()


async def _write_domains(platform: Platform, count: int) -> list[RenewalRequest]:
    """Write the domains as their team has them, with the registries' dates; returns requests."""
    accounts = []
    for number in range(_CUSTOMERS):
        customer_id = f"cus_demo_{number}"
        account = await open_customer_account(platform, customer_id, "USD", "Demo wallet")
        await pay_in(platform, account.id, _DEPOSIT_MINOR, "demo")
        accounts.append((customer_id, account.id))
    names = [f"demo-{number}.{tld}" for tld in (_NEW_TLD, _OLD_TLD) for number in range(count)]
    requests = []
    written = []
    for number, name in enumerate(names):
        customer_id, account_id = accounts[number % len(accounts)]
        known = await _domain(platform, name)
        expires_on = datetime.fromisoformat(known["expires_on"]).date()
        written.append(NewDomain(name, customer_id, expires_on))
        requests.append(RenewalRequest(customer_id, name, 1, account_id))
    async with platform.operations.transaction() as connection:
        await domains.import_many(connection, written)
    return requests


async def _hand_in(
    platform: Platform, requests: list[RenewalRequest], result: RenewalsResult
) -> None:
    """Hand the requests in as the API does with `"bulk": true`, some of them twice."""
    asked = requests + requests[::_TWICE_EVERY]
    result.asked = len(asked)
    taken: dict[str, Operation] = {}
    for batch in _batched(asked, 100):
        async with platform.operations.transaction() as connection:
            found = await platform.kinds.acceptance("renewal").accept_many(
                connection,
                batch,
                actor=_ACTOR,
                lanes=[platform.kinds.lane_for("renewal", request) for request in batch],
            )
        for operation in found:
            if isinstance(operation, PerdureError):
                raise operation
            taken[operation.id] = operation
            await platform.operations.begin(operation)
    rows = await platform.pool.fetch("SELECT engine, count(*) FROM operation_routes GROUP BY 1")
    result.by_engine.update({row["engine"]: row["count"] for row in rows})


async def _until_stopped(platform: Platform, tell: Report) -> int:
    """Wait until every renewal at the overrun registry has ended or stopped."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(_POLL_S)
        rows = await platform.pool.fetch(
            "SELECT status, count(*) FROM operations WHERE kind = $1"
            " AND input->>'registry' = $2 GROUP BY status",
            KIND,
            registry_name(_NEW_TLD),
        )
        found = Counter({Status(row["status"]): row["count"] for row in rows})
        stopped = found[Status.NEEDS_ATTENTION]
        under_way = found.total() - stopped - found[Status.SUCCEEDED]
        if not under_way or time.monotonic() - began > _PATIENCE_S:
            tell(f".{_NEW_TLD}: {found[Status.SUCCEEDED]} renewed, {stopped} stopped")
            return stopped


async def _reasons(platform: Platform) -> str:
    rows = await platform.pool.fetch(
        "SELECT failure->>'code' AS code, count(*) FROM operations"
        " WHERE status = 'needs_attention' GROUP BY 1 ORDER BY 2 DESC"
    )
    return ", ".join(f"{row['count']} {row['code']}" for row in rows)


async def _relaunch(platform: Platform, stopped: int, tell: Report) -> BulkProgress:
    if not stopped:
        return BulkProgress()
    tell(
        f"perdure bulk create relaunch --kind {KIND} --status needs_attention"
        f' --reason "{_WHY_RELAUNCHED}" --yes --confirm-count {stopped}'
    )
    bulk = await platform.bulks.create(
        NewBulk(
            "relaunch",
            _WHY_RELAUNCHED,
            BulkQuery(kind=KIND, status=Status.NEEDS_ATTENTION),
            confirm_count=stopped,
        ),
        actor=_ACTOR,
    )
    while not (await platform.bulks.get(bulk.id)).operation.is_finished:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    progress = await platform.bulks.progress_of(bulk.id)
    tell(f"{bulk.id}: {progress.done} relaunched, {progress.refused} refused")
    return progress


async def _until_ended(platform: Platform, tell: Report) -> None:
    began = time.monotonic()
    told_at = began
    while (found := await _statuses(platform)).keys() - {"succeeded", "failed", "cancelled"}:
        now = time.monotonic()
        if now - began > _PATIENCE_S:
            return
        if now - told_at > 5:
            told_at = now
            tell(", ".join(f"{count} {status}" for status, count in sorted(found.items())))
        await asyncio.sleep(_POLL_S)


async def _statuses(platform: Platform) -> Counter[str]:
    rows = await platform.pool.fetch(
        "SELECT status, count(*) FROM operations WHERE kind = $1 GROUP BY status", KIND
    )
    return Counter({row["status"]: row["count"] for row in rows})


async def _times_renewed(platform: Platform, requests: list[RenewalRequest]) -> Counter[int]:
    found = [await _domain(platform, request.domain) for request in requests]
    return Counter(domain["times_renewed"] for domain in found)


async def _domain(platform: Platform, name: str) -> dict[str, Any]:
    """Return a domain as its registry has it, past its limits."""
    tld = tld_of(name, platform.settings.of(RenewalSettings).tlds)
    return await _control(platform, tld, "GET", f"/control/domains/{name}")


async def _control(
    platform: Platform, tld: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    url = platform.settings.of(RenewalSettings).registry_urls[tld] + path
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        answer = await client.request(method, url, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _batched(requests: list[RenewalRequest], size: int) -> list[list[RenewalRequest]]:
    return [requests[start : start + size] for start in range(0, len(requests), size)]


def _as_json(result: RenewalsResult, seconds: float) -> dict[str, Any]:
    return {
        "domains": result.domains,
        "requests": result.asked,
        "by_engine": dict(result.by_engine),
        "stopped": result.stopped,
        "relaunched": result.bulk.done,
        "by_status": dict(sorted(result.ended.items())),
        "times_renewed": {str(times): count for times, count in result.times_renewed.items()},
        "verify": verify.as_json(result.violations, _invariants()),
        "seconds": seconds,
    }


def _print(result: RenewalsResult, seconds: float) -> None:
    out.print()
    print_table(("STATUS", "#RENEWALS"), sorted(result.ended.items()))
    out.print()
    print_table(("TIMES RENEWED", "#DOMAINS"), sorted(result.times_renewed.items()))
    engines = ", ".join(f"{count} by {name}" for name, count in sorted(result.by_engine.items()))
    out.print(
        f"\n{result.asked} requests, {result.domains} domains ({engines}); {result.stopped} stopped"
        f" and {result.bulk.done} relaunched by one bulk; {seconds} s in all.\n"
    )
    verify.print_violations(result.violations, _invariants())
    if not result.ok:
        print_error("Not every domain was renewed once; the table above says how many were not.")


def _invariants() -> list[str]:
    return invariants(["gateway", "registry"])


def renewals(
    domains: Annotated[
        int, typer.Option(min=10, max=5000, help="How many each of two registries has.")
    ] = 100,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Overrun a registry, set its limit while all runs, and relaunch what stopped, in bulk."""
    run_story(RenewalsStory(domains), data_dir, output, port_base)
