"""A verifier of identities: judges after a while, calls back, and does what its desk says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.check_states import ASKS_THE_PERSON, ENDED, CheckState
from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.background import Background
from perdure.simulators.gateway_callbacks import (
    RETRY_DELAYS_S,
    is_allowed_url,
    open_client,
    post,
    signed_headers,
    webhook_of,
)
from perdure.simulators.http_server import invalid, page, refuse, serve_http
from perdure.simulators.identity_books import Check, IdentityBooks
from perdure.simulators.journal import Journal

PRIVATE_COMMENT: Final = "Looks like somebody we know; do not tell."
"""What stands in each check that somebody looked at, and is for nobody else."""

PLANS: Final[dict[str, tuple[str, ...]]] = {
    "declined": ("processing", "declined"),
    "reviewed": ("processing", "in_review", "approved"),
    "resubmits": ("processing", "resubmission_requested", "processing", "approved"),
    "expires": ("awaiting_input", "expired"),
    "breaks": ("processing", "error"),
    "waits": ("awaiting_input",),
    "completes": ("processing", "completed"),
}
"""What becomes of a check by itself, by the last word of the person's name."""
APPROVES: Final = ("processing", "approved")
"""What becomes of any other."""
ELSEWHERE: Final = "elsewhere"
"""The last word of a name whose check is answered as somebody else's."""
SILENT: Final = "silent"
"""The last word of a name whose check tells nobody."""
LAPSES: Final = "lapses"
"""The last word of a name whose approval ends after a while."""
REFUSED: Final = "refused"
"""The last word of a name that is not checked at all."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How the verifier is run.

    Args:
        data_dir: Where its books are kept.
        callback_secret: Signs callbacks: `whsec_` and base64.
        callback_hosts: Hosts that callbacks may go to besides this machine.
        port: 0: any that is free.
        step_s: How long a check stands as it does.
        lapse_s: How long an approval holds that lapses.
    """

    data_dir: Path
    callback_secret: str
    callback_hosts: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8120
    step_s: float = 0.2
    lapse_s: float = 60.0


class CheckRequest(BaseModel):
    """The body of `POST /v1/checks`."""

    reference: Annotated[str, Field(min_length=1, max_length=200)]
    customer_id: Annotated[str, Field(min_length=1)]
    full_name: Annotated[str, Field(min_length=1)]
    birth_date: date
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    email: str
    phone: str | None = None
    callback_url: str | None = None


class DeskDecision(BaseModel, extra="forbid"):
    """The body of `POST /control/checks/{reference}`: how it stands from now on.

    Args:
        tells: It is told by a callback.
    """

    status: Annotated[str, Field(min_length=1)]
    wanted: list[str] = []
    reasons: list[str] = []
    approved_until: AwareDatetime | None = None
    customer_id: str | None = None
    tells: bool = True


@asynccontextmanager
async def open_identity(settings: IdentitySettings) -> AsyncIterator[int]:
    """Run the verifier while the context is open; yields its port.

    What was under way when it last ended goes on.

    Raises:
        ConfigurationError: The port is taken, the books are in use, or the secret is none.
    """
    async with (
        Journal(settings.data_dir / "identity.jsonl") as journal,
        open_client() as client,
        Background() as background,
    ):
        verifier = Verifier(settings, IdentityBooks(journal), client, background)
        async with serve_http(
            verifier.routes(),
            host=settings.host,
            port=settings.port,
            identity=Identity("identity", books_in(settings.data_dir)),
        ) as port:
            verifier.resume()
            yield port


class Verifier:
    """The verifier's routes.

    Args:
        settings: How it is run.
        books: What it remembers.
        client: What it calls back with.
        background: What goes on beside the requests.
    """

    def __init__(
        self,
        settings: IdentitySettings,
        books: IdentityBooks,
        client: aiohttp.ClientSession,
        background: Background,
    ) -> None:
        self._settings = settings
        self._books = books
        self._client = client
        self._background = background
        self._webhook = webhook_of(settings.callback_secret)

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/checks", self.begin, methods=["POST"]),
            Route("/v1/checks", self.list_checks),
            Route("/v1/checks/{reference}/call-off", self.call_off, methods=["POST"]),
            Route("/v1/totals", self.show_totals),
            Route("/control/checks/{reference}", self.decide, methods=["POST"]),
        ]

    def resume(self) -> None:
        """Have what was under way go on."""
        for check in self._books.checks():
            if check.plan:
                self._background.start(self._go_on(check))

    async def begin(self, request: Request) -> Response:
        """Begin a check, once per reference."""
        try:
            asked = CheckRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        if asked.callback_url is not None and not is_allowed_url(
            asked.callback_url, self._settings.callback_hosts
        ):
            return refuse(400, "callback_url_not_allowed", "Callbacks only go to this machine.")
        manner = asked.full_name.rpartition(" ")[2].lower()
        if manner == REFUSED:
            return refuse(402, "country_not_supported", PRIVATE_COMMENT)
        earlier = self._books.check_of(asked.reference)
        if earlier is not None:
            if earlier.full_name != asked.full_name:
                message = f"{asked.reference} was used with other content."
                return refuse(409, "idempotency_mismatch", message)
            return JSONResponse(earlier.view())
        check = self._books.record_check(_check(asked, manner))
        await self._books.sync()
        self._background.start(self._go_on(check))
        return JSONResponse(check.view(), status_code=201)

    async def list_checks(self, request: Request) -> Response:
        """List checks, or the one under a `?reference=`."""
        reference = request.query_params.get("reference")
        if reference is None:
            return page(request, self._books.checks(), Check.view)
        check = self._books.check_of(reference)
        return page(request, [check] if check else [], Check.view)

    async def call_off(self, request: Request) -> Response:
        """End a check; one that has ended is answered as it is."""
        check = self._books.check_of(request.path_params["reference"])
        if check is None:
            return refuse(404, "check_not_found", "There is no check under this reference.")
        if check.status not in ENDED:
            self._books.record_change(check, plan=[], status=CheckState.EXPIRED.value)
            await self._books.sync()
        return JSONResponse(check.view())

    async def decide(self, request: Request) -> Response:
        """Have a check stand as the verifier's people say."""
        check = self._books.check_of(request.path_params["reference"])
        if check is None:
            return refuse(404, "check_not_found", "There is no check under this reference.")
        try:
            asked = DeskDecision.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        said = asked.model_dump(mode="json", exclude={"tells"}, exclude_none=True)
        await self._change(check, tells=asked.tells, plan=[], **said)
        return JSONResponse(check.view())

    async def show_totals(self, _: Request) -> Response:
        """Tell how many checks stand how."""
        return JSONResponse(self._books.totals())

    async def _go_on(self, check: Check) -> None:
        """Do what is planned of a check, step by step, unless somebody decides otherwise."""
        while check.plan:
            await asyncio.sleep(self._settings.step_s)
            if not check.plan:
                return
            status, *left = check.plan
            lapses = check.full_name.lower().endswith(f" {LAPSES}")
            until = datetime.now(UTC) + timedelta(seconds=self._settings.lapse_s)
            ends_at = until.isoformat() if lapses else None
            await self._change(check, plan=left, status=status, approved_until=ends_at)

    async def _change(self, check: Check, *, tells: bool = True, **changes: Any) -> None:
        asks_again = changes["status"] == CheckState.RESUBMISSION_REQUESTED
        usual = {
            "wanted": ["document_unreadable"] if asks_again else [],
            "private_comment": PRIVATE_COMMENT,
        }
        self._books.record_change(check, **usual | changes)
        await self._books.sync()
        if check.callback_url is not None and tells and not check.is_silent:
            self._background.start(self._tell(check, check.callback_url))

    async def _tell(self, check: Check, url: str) -> None:
        """Call back until it is taken, or for a while: who waits asks as well."""
        event_id = new_id("evt")
        told = {name: check.view()[name] for name in ("id", "reference", "customer_id", "status")}
        happened_at = datetime.now(UTC).isoformat()
        body = json.dumps({"type": "check.updated", "timestamp": happened_at, "data": told})
        for delay_s in (*RETRY_DELAYS_S, 0.0):
            if await post(self._client, url, body, signed_headers(self._webhook, event_id, body)):
                return
            await asyncio.sleep(delay_s)


def _check(asked: CheckRequest, manner: str) -> Check:
    plan = PLANS.get(manner, APPROVES)
    check_id = new_id("chk")
    asks = ASKS_THE_PERSON.intersection(plan)
    return Check(
        id=check_id,
        reference=asked.reference,
        customer_id="somebody-else" if manner == ELSEWHERE else asked.customer_id,
        full_name=asked.full_name,
        birth_date=asked.birth_date.isoformat(),
        country=asked.country,
        created_at=time.time(),
        plan=list(plan),
        input_url=f"https://identity.example/checks/{check_id}" if asks else None,
        callback_url=asked.callback_url,
        is_silent=manner == SILENT,
    )
