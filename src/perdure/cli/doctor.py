"""`perdure doctor`: whether everything is there, and what to do where it is not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import httpx
import typer
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.cli.doctor_deployment import look_at_deployment
from perdure.cli.doctor_ledger import look_at_ledger
from perdure.cli.doctor_payloads import look_at_payloads
from perdure.cli.doctor_work import look_at_work
from perdure.cli.findings import Finding, Health
from perdure.cli.output import Output, OutputFormat, out, print_json
from perdure.cli.session import run
from perdure.cli.who_answers import described, who_answers
from perdure.config import Settings
from perdure.core.claim import claiming
from perdure.core.errors import (
    CREDENTIALS_REFUSED,
    ConfigurationError,
    PerdureError,
    ProviderRateLimited,
)
from perdure.core.identity import Identity
from perdure.core.settings import name_of
from perdure.durable.client import connect
from perdure.durable.search_attributes import NAMES
from perdure.outside import host_of, uses
from perdure.providers.choice import Use
from perdure.providers.http_client import is_this_machine
from perdure.schema import declared
from perdure.storage.connecting import is_pooled
from perdure.storage.outages import is_outage
from perdure.storage.pool import TAKES_NO_CHANGES, Pool, open_pool
from perdure.storage.revisions import missing_revisions
from perdure.storage.row_policies import unprotected
from perdure.storage.row_security import seen

_PATIENCE_S: Final = 3.0
_SLOTS_PER_CONNECTION_MAX: Final = 10
"""A step holds a connection for a few milliseconds; beyond this many they queue for one."""


def doctor(output: Output = OutputFormat.TEXT) -> None:
    """Look at Temporal, the database, the providers and the work; ends with 1 if one fails."""
    findings = run(_look())
    failed = any(finding.health == Health.FAIL for finding in findings)
    if output == OutputFormat.JSON:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            _print(finding)
    if failed:
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    color = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "red"}[finding.health]
    out.print(f"{finding.health:<4}", style=color, end=" ")
    out.print(f"{finding.subject:<14} {finding.detail}")
    if finding.fix:
        out.print(f"     {'':<14} {finding.fix}")


async def _look() -> list[Finding]:
    settings = Settings.load()
    checks: list[Callable[[Settings], AsyncIterator[Finding]]] = [
        _database,
        _temporal,
        _slots,
        _callbacks,
        _providers,
    ]
    found = await asyncio.gather(*(_listed(check(settings)) for check in checks))
    return [finding for findings in found for finding in findings]


async def _listed(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    subject, fix = "database", "Start it (`perdure up` does), or set DATABASE_URL to one that runs."
    async with AsyncExitStack() as stack:
        try:
            url = settings.require_database_url()
            async with asyncio.timeout(_PATIENCE_S):
                pool = await stack.enter_async_context(
                    open_pool(url, size=1, application_name="perdure-doctor")
                )
            yield await _server(pool)
            yield await _connections(pool, settings)
            migrations = await _migrations(pool)
        except ConfigurationError as error:
            yield Finding(subject, Health.FAIL, error.message)
            return
        except Exception as error:
            if not is_outage(error):
                raise
            yield Finding(subject, Health.FAIL, f"cannot be reached: {error or 'no answer'}", fix)
            return
        yield migrations
        if migrations.health == Health.OK:
            yield await look_at_payloads(pool, settings)
            yield await _row_security(pool)
            async for finding in look_at_work(pool):
                yield finding
            async for finding in look_at_ledger(pool, settings):
                yield finding


async def _server(pool: Pool) -> Finding:
    subject, version = "database", await pool.fetchval("SELECT current_setting('server_version')")
    async with pool.acquire() as connection:
        behind = " behind a pooler" if await is_pooled(connection) else ""
    if await pool.fetchval(TAKES_NO_CHANGES):
        detail = f"PostgreSQL {version}{behind} takes no changes: it is read-only, or a standby"
        fix = "Set DATABASE_URL to the primary, or to all servers (host=a,b finds the primary)."
        return Finding(subject, Health.FAIL, detail, fix)
    return Finding(subject, Health.OK, f"PostgreSQL {version}{behind}")


async def _migrations(pool: Pool) -> Finding:
    missing = await missing_revisions(pool)
    if missing:
        lacking = f"lacks {', '.join(missing)}"
        return Finding("migrations", Health.FAIL, lacking, "Run `perdure migrate`.")
    return Finding("migrations", Health.OK, "all there")


async def _row_security(pool: Pool) -> Finding:
    subject = "row security"
    if tables := await unprotected(pool, declared().rows):
        detail = f"customers' rows are not kept apart in {', '.join(tables)}"
        return Finding(subject, Health.FAIL, detail, "Run `perdure migrate`.")
    try:
        with claiming(subject):
            async with seen(pool):
                pass
    except asyncpg.InsufficientPrivilegeError as error:
        fix = "Grant the role of customers' requests to the user of DATABASE_URL."
        return Finding(subject, Health.FAIL, f"customers' keys can read nothing: {error}", fix)
    return Finding(subject, Health.OK, "customers' rows are kept apart")


async def _connections(pool: Pool, settings: Settings) -> Finding:
    limit = int(await pool.fetchval("SELECT current_setting('max_connections')"))
    used = await pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    detail = f"{used} of {limit} in use, pools of {settings.database_pool_size}"
    if used + settings.database_pool_size > limit:
        fix = "Raise the server's max_connections, or lower PERDURE_DATABASE_POOL_SIZE."
        return Finding("connections", Health.WARN, detail, fix)
    return Finding("connections", Health.OK, detail)


async def _temporal(settings: Settings) -> AsyncIterator[Finding]:
    subject = "temporal"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            client = await connect()
            info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    except (ConfigurationError, RPCError, TimeoutError) as error:
        message = getattr(error, "message", "no answer")
        fix = "Start it (`perdure up` does), or set TEMPORAL_ADDRESS to one that runs."
        yield Finding(subject, Health.FAIL, message, fix)
        return
    address = client.service_client.config.target_host
    yield Finding(subject, Health.OK, f"{address}, server {info.server_version}")
    yield await _asked("namespace", _namespace, client)
    yield await _asked("attributes", _search_attributes, client)
    yield await _asked("build", partial(look_at_deployment, settings=settings), client)


async def _asked(
    subject: str, ask: Callable[[Client], Awaitable[Finding]], client: Client
) -> Finding:
    try:
        return await ask(client)
    except RPCError as error:
        fix = f"temporal operator namespace create --namespace {client.namespace}"
        return Finding(subject, Health.FAIL, f"{client.namespace}: {error.message}", fix)


async def _namespace(client: Client) -> Finding:
    found = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    days = found.config.workflow_execution_retention_ttl.seconds / 86_400
    detail = f"{client.namespace}, closed workflows are kept for {days:g} days"
    return Finding("namespace", Health.OK, detail)


async def _search_attributes(client: Client) -> Finding:
    found = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [name for name in NAMES if name not in found.custom_attributes]
    if not missing:
        return Finding("attributes", Health.OK, ", ".join(NAMES))
    commands = "; ".join(
        f"temporal operator search-attribute create --name {name} --type Keyword"
        for name in missing
    )
    return Finding("attributes", Health.FAIL, f"not there: {', '.join(missing)}", commands)


async def _slots(settings: Settings) -> AsyncIterator[Finding]:
    slots, connections = settings.max_concurrent_activities, settings.database_pool_size
    detail = f"{slots} activities at a time, on {connections} database connections a worker"
    if slots > connections * _SLOTS_PER_CONNECTION_MAX:
        fix = "Raise PERDURE_DATABASE_POOL_SIZE, or lower PERDURE_MAX_CONCURRENT_ACTIVITIES."
        yield Finding("slots", Health.WARN, detail, fix)
    else:
        yield Finding("slots", Health.OK, detail)


async def _callbacks(settings: Settings) -> AsyncIterator[Finding]:
    for use in uses(settings):
        if not use.callback_url:
            continue
        try:
            own = use.settings(use.load())
        except ConfigurationError:
            continue  # told where the providers are
        subject = f"{use.role.name} callbacks"
        secrets = getattr(own, "callback_secrets", None)
        if secrets:
            detail = f"to {use.callback_url}, checked with {len(secrets)} secrets"
            yield Finding(subject, Health.OK, detail)
        elif secrets is not None:
            setting = name_of(use.prefix_of(own), "callback_secrets")
            fix = f'Set {setting}, as JSON: ["whsec_…"].'
            detail = f"no secret: the {use.role.name}'s confirmations cannot be checked"
            yield Finding(subject, Health.WARN, detail, fix)


async def _providers(settings: Settings) -> AsyncIterator[Finding]:
    # All at once: one that gives no answer keeps nobody from hearing of the others.
    for finding in await asyncio.gather(*map(_provider, uses(settings))):
        yield finding


async def _provider(use: Use[Any]) -> Finding:
    """Say which class serves a role, and try it with the credentials it has."""
    name = use.role.name.replace("_", " ")
    subject = f"{name} .{use.tld}" if use.tld else name
    async with host_of(use, connections_max=1) as host:
        try:
            provider = use.make(host)
        except ConfigurationError as error:
            return Finding(subject, Health.FAIL, error.message)
        served = f"{use.chosen} ({type(provider).__module__})"
        if not host.address:
            return await _asked_once(use, provider, subject, served)
        served = f"{served} at {host.address}"
        other, found = await asyncio.gather(
            _another_simulator(use, host.address), _asked_once(use, provider, subject, served)
        )
        if other:
            fix = f"End it, or set {use.located_by} to the right one."
            return Finding(subject, Health.FAIL, f"{other} answers at {host.address}", fix)
        if found.health == Health.OK and _is_read_by_others(use, host.address):
            fix = "Give its URL with https, or grpcs."
            return Finding(subject, Health.WARN, f"{served}, credentials in the clear", fix)
        return found


async def _asked_once(use: Use[Any], provider: Any, subject: str, served: str) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await use.role.ask(provider)
    except ProviderRateLimited as error:
        return Finding(subject, Health.WARN, f"{served}: {error.message}")
    except PerdureError as error:
        return Finding(subject, Health.FAIL, f"{served}: {error.message}", _fix_of(use, error))
    except TimeoutError:
        return Finding(subject, Health.FAIL, f"{served} gives no answer", _fix_of(use, None))
    return Finding(subject, Health.OK, served)


def _fix_of(use: Use[Any], error: PerdureError | None) -> str | None:
    if error is not None and error.code == CREDENTIALS_REFUSED:
        return "Set the credentials it was given for us (docs/settings.md)."
    if use.is_default:
        return f"Start it (`perdure up` starts a simulator), or set {use.located_by}."
    return None


def _is_read_by_others(use: Use[Any], address: str) -> bool:
    """Whether a key or a password goes over a network in the clear."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "grpc"} or is_this_machine(parts.hostname or ""):
        return False
    return bool(getattr(use.settings(use.load()), "sends_secrets", True))


async def _another_simulator(use: Use[Any], address: str) -> str | None:
    if not use.is_default:
        return None
    found, expected = await _simulator_at(address), use.role.simulated_as(use.tld)
    return described(found) if found is not None and found.kind != expected else None


async def _simulator_at(url: str) -> Identity | None:
    """Return the simulator that answers, if it is one; a provider outside is not asked for it."""
    if urlsplit(url).scheme != "http":
        return None
    try:
        return await who_answers(url)
    except httpx.HTTPError:
        return None
