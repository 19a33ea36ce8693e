"""The registry of one TLD: renews domains, takes renewals back, and fails on demand."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.background import Background
from perdure.simulators.bank_behaviour import Behaviour, Fault, hit_by
from perdure.simulators.faults import Answer, Chance, FaultControl, give, otherwise, told
from perdure.simulators.http_server import (
    invalid,
    page,
    rate_limited,
    refuse,
    serve_http,
    unavailable,
)
from perdure.simulators.journal import Journal
from perdure.simulators.registry_admission import AdmissionControl, RegistryLimits
from perdure.simulators.registry_books import RegistryBooks, Renewal
from perdure.simulators.registry_domains import (
    PLAIN,
    YEARS_MAX,
    DomainStatus,
    add_years,
    behaviour_of,
    is_domain_of,
    terms_of,
)

GRACE_S: Final = 5 * 86_400.0
"""The renew grace period (RFC 3915, section 1) that ICANN's agreements give for .com: 5 days."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How a registry is run.

    Args:
        data_dir: Where its books are kept.
        tld: Without the dot; one of `registry_domains.TERMS`.
        port: 0: any that is free.
        price_minor: Of one year of a domain that is not premium.
        refundable: A renewal is taken back within the grace period.
        limits: What it stands.
        grace_s: How long a renewal can be taken back.
        day: The registry's day, after which most domains expire within 90 days; None: today. It
            stands still: its books keep it from their first start on.
        seed: Makes the domains' dates and the latencies.
        slow_s: How long a slow answer takes.
        chance: What goes wrong by chance.
    """

    data_dir: Path
    tld: str
    port: int
    price_minor: int
    refundable: bool
    limits: RegistryLimits
    host: str = "127.0.0.1"
    grace_s: float = GRACE_S
    day: date | None = None
    seed: int = 0
    slow_s: float = 2.0
    chance: Chance[Fault] = field(default_factory=Chance)

    @classmethod
    def of(cls, tld: str, data_dir: Path) -> Self:
        """Return a TLD's usual settings.

        Raises:
            ConfigurationError: There is no registry of this TLD.
        """
        terms = terms_of(tld)
        return cls(
            data_dir,
            tld,
            terms.port,
            terms.price_minor,
            terms.refundable,
            RegistryLimits(terms.requests_per_s, terms.at_once),
        )


@dataclass(frozen=True, slots=True)
class RegistriesSettings:
    """How several registries are run in one process, each on its own port."""

    registries: tuple[RegistrySettings, ...]


Reference = Annotated[str, Field(min_length=1, max_length=200)]


class RenewalRequest(BaseModel, strict=True):
    """The body of `POST /v1/renewals`; the years are in the range of EPP's schema (RFC 5731)."""

    reference: Reference
    domain: Annotated[str, Field(max_length=253)]
    current_expires_on: date
    years: Annotated[int, Field(ge=1, le=99)]


class UndoRequest(BaseModel, strict=True):
    """The body of `POST /v1/renewals/undo`."""

    reference: Reference


class DomainRequest(BaseModel, strict=True):
    """The body of `PUT /control/domains/{name}`."""

    expires_on: date
    status: Annotated[DomainStatus, Field(strict=False)] = DomainStatus.ACTIVE
    premium: bool = False


@asynccontextmanager
async def open_registry(settings: RegistrySettings) -> AsyncIterator[int]:
    """Run a registry while the context is open; yields its port.

    Raises:
        ConfigurationError: The port is taken, or the books are in use.
    """
    background = Background()
    async with Journal(settings.data_dir / f"registry-{settings.tld}.jsonl") as journal:
        books = RegistryBooks(
            journal,
            day=settings.day or datetime.now(UTC).date(),
            seed=settings.seed,
            price_minor=settings.price_minor,
        )
        admission = AdmissionControl(settings.limits, seed=settings.seed, background=background)
        routes = Registry(settings, books, admission).routes()
        identity = Identity(f"registry-{settings.tld}", books_in(settings.data_dir))
        async with (
            serve_http(routes, host=settings.host, port=settings.port, identity=identity) as port,
            background,
        ):
            yield port


@asynccontextmanager
async def open_registries(settings: RegistriesSettings) -> AsyncIterator[dict[str, int]]:
    """Run registries while the context is open; yields their ports by TLD.

    Raises:
        ConfigurationError: A port is taken, or the books are in use.
    """
    async with AsyncExitStack() as stack:
        yield {
            registry.tld: await stack.enter_async_context(open_registry(registry))
            for registry in settings.registries
        }


_REFUSALS: Final = {
    "domain_not_registered": "The domain is not registered.",
    "domain_locked": "The domain is locked: the registry changes nothing about it.",
    "domain_expired": "The domain has expired; only a redemption brings it back.",
    "expiry_mismatch": "The domain expires on another day than the request says.",
    "years_over_maximum": f"A domain is paid for at most {YEARS_MAX} years ahead.",
    "unknown_renewal": "No renewal was ever made under this reference.",
    "not_refundable": "This registry takes no renewal back.",
    "grace_period_over": "The time in which the renewal could be taken back is over.",
}


class Registry:
    """A registry's routes.

    Args:
        settings: How it is run.
        books: What it remembers.
        admission: Whom it lets in.
    """

    def __init__(
        self, settings: RegistrySettings, books: RegistryBooks, admission: AdmissionControl
    ) -> None:
        self._settings = settings
        self._books = books
        self._admission = admission
        self._faults = FaultControl(settings.chance, Fault)

    def routes(self) -> list[Route]:
        """Return what is served: the registry's own, limited, and the control of it."""
        limited = self._admission.limited
        return [
            Route("/v1/domains", limited(self.find_domain)),
            Route("/v1/renewals", limited(self.renew), methods=["POST"]),
            Route("/v1/renewals", limited(self.find_renewals)),
            Route("/v1/renewals/undo", limited(self.undo_renewal), methods=["POST"]),
            Route("/v1/totals", self.show_totals),
            Route("/control/domains/{name}", self.change_domain, methods=["PUT"]),
            Route("/control/domains/{name}", self.show_domain),
            Route("/control/renewals", self.list_renewals),
            *self._admission.routes(),
            *self._faults.routes(),
        ]

    async def find_domain(self, request: Request) -> Response:
        """Tell of the domain with a name, in a list; empty: it is not registered."""
        name = request.query_params.get("name", "")
        if not is_domain_of(self._settings.tld, name):
            return self._no_domain_of_ours(name)
        domain = self._books.domain(name)
        return JSONResponse({"data": [] if domain is None else [domain.view()]})

    async def renew(self, request: Request) -> Response:
        """Renew a domain, or misbehave as its name asks."""
        try:
            asked = RenewalRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        if not is_domain_of(self._settings.tld, asked.domain):
            return self._no_domain_of_ours(asked.domain)
        behaviour = self._behaviour(asked)
        renewed = self._renewed(asked, behaviour)
        if isinstance(renewed, str):
            self._books.record_refusal(asked.reference, renewed)
            return _refusal(renewed)
        self._books.record_renewal(renewed)
        response = JSONResponse(told(behaviour.says, renewed.view()), status_code=201)
        await self._books.sync()
        return await give(request, response, behaviour.answer, slow_s=self._settings.slow_s)

    async def find_renewals(self, request: Request) -> Response:
        """List the renewals under one `?reference=`."""
        reference = request.query_params.get("reference", "")
        if not reference:
            return refuse(400, "invalid_request", "reference: say whose renewals.")
        return page(request, self._books.renewals_of(reference), Renewal.view)

    async def undo_renewal(self, request: Request) -> Response:
        """Take back the first renewal under a reference; again, answer the same."""
        try:
            reference = UndoRequest.model_validate_json(await request.body()).reference
        except ValidationError as error:
            return invalid(error)
        behaviour = hit_by(PLAIN, self._faults.draw_next(f"{reference}:undo"))
        if (code := _fails_first(behaviour, attempt=0)) is not None:
            return _refusal(code)
        renewal = next(iter(self._books.renewals_of(reference)), None)
        if renewal is None:
            return _refusal("unknown_renewal")
        if renewal.status != "undone":
            if not self._settings.refundable:
                return _refusal("not_refundable")
            if time.time() - renewal.created_at >= self._settings.grace_s:
                return _refusal("grace_period_over")
            self._books.record_undoing(renewal)
        response = JSONResponse(told(behaviour.says, renewal.view()))
        await self._books.sync()
        return await give(request, response, behaviour.answer, slow_s=self._settings.slow_s)

    async def show_totals(self, _: Request) -> Response:
        """Tell counts and sums."""
        return JSONResponse(self._books.totals())

    async def list_renewals(self, request: Request) -> Response:
        """List all renewals, or those of one `?domain=`: the registry's log."""
        renewals = self._books.renewals()
        if domain := request.query_params.get("domain"):
            renewals = [renewal for renewal in renewals if renewal.domain == domain]
        return page(request, renewals, Renewal.view)

    async def show_domain(self, request: Request) -> Response:
        """Tell of a domain, and how often it was renewed; limits do not count here."""
        name = request.path_params["name"]
        domain = self._books.domain(name) if is_domain_of(self._settings.tld, name) else None
        if domain is None:
            return refuse(404, "domain_not_registered", _REFUSALS["domain_not_registered"])
        return JSONResponse(domain.view() | {"times_renewed": self._books.times_renewed(name)})

    async def change_domain(self, request: Request) -> Response:
        """Register a domain, or make it other than it is."""
        name = request.path_params["name"]
        if not is_domain_of(self._settings.tld, name):
            return self._no_domain_of_ours(name)
        try:
            asked = DomainRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        changed = self._books.changed_domain(
            name, status=asked.status, expires_on=asked.expires_on, premium=asked.premium
        )
        self._books.record_change(changed)
        await self._books.sync()
        return await self.show_domain(request)

    def _behaviour(self, asked: RenewalRequest) -> Behaviour:
        behaviour = behaviour_of(asked.domain)
        if self._books.renewals_of(asked.reference):
            # A name spoils the answer once; whoever renews again gets it.
            behaviour = replace(behaviour, answer=Answer.NORMAL)
        attempt = self._books.attempts(asked.reference)
        return hit_by(behaviour, self._faults.draw(asked.reference, attempt))

    def _renewed(self, asked: RenewalRequest, behaviour: Behaviour) -> Renewal | str:
        """Return the renewal that is to be made, or the code of why there is none."""
        attempt = self._books.attempts(asked.reference)
        if (code := _fails_first(behaviour, attempt)) is not None:
            return code
        domain = self._books.domain(asked.domain)
        if domain is None:
            return "domain_not_registered"
        if domain.status != DomainStatus.ACTIVE:
            return f"domain_{domain.status}"
        if asked.current_expires_on != domain.expires_on:
            return "expiry_mismatch"
        expires_on = add_years(domain.expires_on, asked.years)
        if expires_on > add_years(self._books.day, YEARS_MAX):
            return "years_over_maximum"
        renewal = Renewal(
            id=new_id("ren"),
            reference=asked.reference,
            domain=asked.domain,
            years=asked.years,
            previous_expires_on=domain.expires_on,
            expires_on=expires_on,
            price_minor=domain.price_minor * asked.years,
            created_at=time.time(),
        )
        return replace(renewal, **otherwise(behaviour.does, renewal.view()))

    def _no_domain_of_ours(self, name: str) -> Response:
        message = f"domain: {name[:253]!r} is no domain under .{self._settings.tld}."
        return refuse(400, "invalid_domain", message)


def _fails_first(behaviour: Behaviour, attempt: int) -> str | None:
    """Return what is answered before anything is looked at; None: the registry goes on."""
    if attempt < behaviour.unavailable_first:
        return "unavailable"
    if attempt < behaviour.rate_limited_first:
        return "rate_limited"
    return None


def _refusal(code: str) -> Response:
    match code:
        case "unavailable":
            return unavailable()
        case "rate_limited":
            return rate_limited()
        case _:
            return refuse(402, code, _REFUSALS[code])
