"""`perdure verify`: the invariants, on the live system."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Final

import httpx
import typer
from pydantic import TypeAdapter, ValidationError

from perdure.bootstrap import Platform
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json
from perdure.cli.session import open_session, run
from perdure.core.errors import ProviderUnavailable
from perdure.ledger import verify as ledger
from perdure.ledger.verify import Violation
from perdure.operations import verify as operations
from perdure.payments import verify as payments
from perdure.providers.gateway import Charge

_PAGE: Final = 1000
_CHARGES: Final = TypeAdapter(list[Charge])


def verify(
    gateway: Annotated[
        str | None,
        typer.Option(help="Also compare with the charges of the gateway at this URL."),
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Check that nothing was lost, doubled or left over; ends with 1 if something was."""
    found = run(_verify(gateway))
    checked = invariants(with_gateway=gateway is not None)
    if output == OutputFormat.JSON:
        print_json(as_json(found, checked))
    else:
        print_violations(found, checked)
    if found:
        raise typer.Exit(1)


async def _verify(gateway: str | None) -> list[Violation]:
    async with open_session() as platform:
        return await violations(platform, gateway)


def invariants(*, with_gateway: bool) -> list[str]:
    """Return the names of what is checked."""
    books = payments.GATEWAY_INVARIANTS if with_gateway else {}
    return [*ledger.INVARIANTS, *operations.INVARIANTS, *payments.INVARIANTS, *books]


async def violations(platform: Platform, gateway_url: str | None) -> list[Violation]:
    """Return what breaks an invariant: of the ledger, of operations, of payments, at the gateway.

    Raises:
        ProviderUnavailable: The gateway does not tell its charges.
    """
    async with platform.pool.acquire() as connection:
        found = [
            *await ledger.violations(connection),
            *await operations.violations(connection),
            *await payments.violations(connection),
        ]
        if gateway_url is not None:
            found += await payments.gateway_violations(connection, _charges(gateway_url))
        return found


async def _charges(gateway_url: str) -> AsyncIterator[Charge]:
    params: dict[str, str | int] = {"limit": _PAGE}
    try:
        async with httpx.AsyncClient(base_url=gateway_url, timeout=30) as client:
            while True:
                page = (await client.get("/v1/charges", params=params)).raise_for_status().json()
                charges = _CHARGES.validate_python(page["data"])
                for charge in charges:
                    yield charge
                if not page["has_more"]:
                    return
                params["starting_after"] = charges[-1].id
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError, ValueError, KeyError) as error:
        raise ProviderUnavailable(
            f"The gateway at {gateway_url} does not tell its charges: {error}.", param="gateway"
        ) from error


def as_json(found: list[Violation], checked: list[str]) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "ok": not found,
        "checked": checked,
        "violations": [asdict(violation) for violation in found],
    }


def print_violations(found: list[Violation], checked: list[str]) -> None:
    """Print the result for people: a line for each invariant, and each row that breaks it."""
    for name in checked:
        broken = [violation for violation in found if violation.name == name]
        mark = "[red]FAIL[/]" if broken else "[green]ok[/]  "
        out.print(f"{mark} {name.replace('_', ' ')}")
        for violation in broken:
            out.print(f"       {' '.join(violation.subject_ids)}: {violation.detail}", markup=False)
    if found:
        print_error(f"{len(found)} rows break an invariant.")
