"""`perdure verify`: the invariants, on the live system."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar

import typer
from pydantic import TypeAdapter

from perdure.bootstrap import Platform
from perdure.capability.assembly import kinds_with_lanes
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json
from perdure.cli.session import open_session, run
from perdure.core.errors import InvalidInput, PerdureError, ProviderUnavailable
from perdure.core.identity import BANK, GATEWAY, registry_of
from perdure.core.tlds import normal_tld
from perdure.ledger import verify as ledger
from perdure.ledger.verify import Violation
from perdure.operations import verify as operations
from perdure.payments import verify as payments
from perdure.providers.bank import Payout
from perdure.providers.gateway import Charge
from perdure.providers.http import ProviderHttp
from perdure.providers.http_client import open_http_client
from perdure.providers.registry import RegistryRenewal, registry_name
from perdure.refunds import verify as refunds
from perdure.renewals import verify as renewals
from perdure.storage.pool import whole_tables
from perdure.transfers import verify as transfers

_PAGE: Final = 1000
_TIMEOUT_S: Final = 30.0
_RENEWALS_PATH: Final = "/control/renewals"


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Entry = TypeVar("Entry", bound=_HasId)


@dataclass(frozen=True, slots=True)
class _PageOf(Generic[Entry]):
    data: list[Entry]
    has_more: bool


_CHARGES: Final = TypeAdapter(_PageOf[Charge])
_PAYOUTS: Final = TypeAdapter(_PageOf[Payout])
_RENEWALS: Final = TypeAdapter(_PageOf[RegistryRenewal])


def verify(
    gateway: Annotated[
        str | None,
        typer.Option(help="Also compare with the charges of the gateway at this URL."),
    ] = None,
    bank: Annotated[
        str | None,
        typer.Option(help="Also compare with the payouts of the bank at this URL."),
    ] = None,
    registry: Annotated[
        list[str] | None,
        typer.Option(
            help="Also compare with the log of a registry, as `info=URL`; any number of times."
        ),
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Check that nothing was lost, doubled or left over; ends with 1 if something was."""
    registries = dict(_registry(given) for given in registry or [])
    found = run(_verify(gateway, bank, registries))
    checked = invariants(
        with_gateway=gateway is not None,
        with_bank=bank is not None,
        with_registries=bool(registries),
    )
    if output == OutputFormat.JSON:
        print_json(as_json(found, checked))
    else:
        print_violations(found, checked)
    if found:
        raise typer.Exit(1)


def _registry(given: str) -> tuple[str, str]:
    tld, _, url = given.partition("=")
    if not (tld and url):
        raise InvalidInput(
            f"{given!r} names no registry; write its TLD and its URL, as info=http://….",
            param="registry",
        )
    return normal_tld(tld), url


async def _verify(
    gateway: str | None, bank: str | None, registries: Mapping[str, str]
) -> list[Violation]:
    async with open_session() as platform:
        return await violations(platform, gateway, bank, registries)


def invariants(
    *, with_gateway: bool, with_bank: bool = False, with_registries: bool = False
) -> list[str]:
    """Return the names of what is checked."""
    return [
        *ledger.INVARIANTS,
        *operations.INVARIANTS,
        operations.LANES_ARE_DRIVEN_NAME,
        *payments.INVARIANTS,
        *transfers.INVARIANTS,
        *renewals.INVARIANTS,
        *refunds.INVARIANTS,
        *(payments.GATEWAY_INVARIANTS if with_gateway else {}),
        *(transfers.BANK_INVARIANTS if with_bank else {}),
        *(renewals.REGISTRY_INVARIANTS if with_registries else {}),
    ]


async def violations(
    platform: Platform,
    gateway_url: str | None,
    bank_url: str | None = None,
    registry_urls: Mapping[str, str] | None = None,
) -> list[Violation]:
    """Return what breaks an invariant: of the ledger, of operations, at the outside systems.

    Args:
        gateway_url: None: the gateway's books are not compared.
        bank_url: None: the bank's are not.
        registry_urls: Those of the registries whose logs are compared, by TLD.

    Raises:
        ProviderUnavailable: One of these does not tell its books.
    """
    async with whole_tables(platform.pool) as connection:
        found = [
            *await ledger.violations(connection),
            *await operations.violations(connection),
            *await operations.lane_violations(connection, kinds_with_lanes()),
            *await payments.violations(connection),
            *await transfers.violations(connection),
            *await renewals.violations(connection),
            *await refunds.violations(connection),
        ]
        if gateway_url is not None:
            charges = _listed(GATEWAY, "gateway", gateway_url, "/v1/charges", _CHARGES)
            found += await payments.gateway_violations(connection, charges)
        if bank_url is not None:
            payouts = _listed(BANK, "bank", bank_url, "/v1/payouts", _PAYOUTS)
            found += await transfers.bank_violations(connection, payouts)
        if registry_urls:
            logs = {
                registry_name(tld): _listed(
                    registry_of(tld), f"registry of .{tld}", url, _RENEWALS_PATH, _RENEWALS
                )
                for tld, url in registry_urls.items()
            }
            found += await renewals.registry_violations(connection, logs)
        return found


async def _listed(
    simulated_by: str, whose: str, url: str, path: str, page_type: TypeAdapter[_PageOf[Entry]]
) -> AsyncIterator[Entry]:
    """Read all that an outside system lists, page by page."""
    params = {"limit": str(_PAGE)}
    try:
        async with open_http_client(url, timeout_s=_TIMEOUT_S) as client:
            http = ProviderHttp(client, "It", simulated_by=simulated_by)
            while True:
                page = await http.read(path, page_type, params=params)
                for entry in page.data:
                    yield entry
                if not page.has_more:
                    return
                params["starting_after"] = page.data[-1].id
    except PerdureError as error:
        raise ProviderUnavailable(
            f"The {whose} at {url} does not tell its books. {error}", param=whose
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
        out.print("FAIL" if broken else "ok  ", style="red" if broken else "green", end=" ")
        out.print(name.replace("_", " "))
        for violation in broken:
            out.print(f"       {' '.join(violation.subject_ids)}: {violation.detail}")
    if found:
        print_error(f"{len(found)} rows break an invariant.")
