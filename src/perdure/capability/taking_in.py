"""Taking in operations of a kind that an account pays for what is asked, and what it is told."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field

from perdure.capability.declaration import Capability
from perdure.capability.funded import FundedKind
from perdure.capability.wiring import Host, Wiring
from perdure.config import Settings
from perdure.core.money import AmountLimit
from perdure.core.notes import correctable
from perdure.core.script import CallStep
from perdure.core.settings import AmountMinor, ByCurrency, EnvironmentSettings
from perdure.ledger.store import LedgerStore
from perdure.operations.funded_acceptance import FundedAcceptance, FundedRequest
from perdure.operations.waiting import Patience
from perdure.storage.pool import Connection

Request = TypeVar("Request", bound=FundedRequest)


class FundedSettings(EnvironmentSettings):
    """What such a kind is told.

    One that is told more inherits it, with an `env_prefix` of its own: `PERDURE_PAYMENT_`.
    """

    amount_minor_max: AmountMinor = 1_000_000
    """The most one moves, in hundredths: 1,000,000 is 10,000 USD, JPY or KWD."""
    amount_minor_max_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount."""
    patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a provider that gives nobody an answer, before it needs attention."""

    @property
    def amount_limit(self) -> AmountLimit:
        """The most one moves."""
        return AmountLimit(self.amount_minor_max, self.amount_minor_max_by_currency)


def funded_settings(kind: Capability, settings: Settings) -> FundedSettings:
    """Return what a kind is told by variables that begin with its name: `PERDURE_TRANSFER_…`."""
    return settings.of(FundedSettings, prefix=f"PERDURE_{kind.name.upper()}_")


def acceptance_of(
    kind: Capability,
    funded: FundedKind[Any, Any, Any],
    ledger: LedgerStore[Connection],
    *,
    check_request: Callable[[Request], Request],
    input_of: Callable[[str, Request], Any],
    limit: AmountLimit,
) -> FundedAcceptance[Request]:
    """Return what takes a kind's operations in.

    Args:
        funded: How they are paid for.
        check_request: Returns a request as it is kept; refuses one that can never be carried out.
        input_of: Returns the workflow's input, given the operation's id.
        limit: The most one moves.
    """

    def check_limits(request: Request) -> None:
        limit.check(request.amount_minor, request.currency, what=kind.name)

    return FundedAcceptance(
        ledger,
        kind=kind.name,
        id_prefix=kind.id_prefix,
        verb=funded.verb,
        check_request=check_request,
        check_limits=check_limits,
        request_type=kind.request,
        correctable=correctable(kind.request),
        input_of=input_of,
    )


def wiring_of_one_effect(
    host: Host,
    kind: Capability,
    funded: FundedKind[Any, Any, Any],
    *,
    check_request: Callable[[Request], Request],
    provider: str,
    call: CallStep[Any, Any],
    unavailable: str,
) -> Wiring:
    """Return what takes a kind in that an account pays for, and one provider does one thing for.

    Args:
        funded, check_request: As `acceptance_of`.
        provider: As in its queue's name.
        call: The step that asks it; takes the workflow's input.
        unavailable: The code of an operation that has waited too long for it.
    """
    settings = funded_settings(kind, host.settings)
    return Wiring(
        actions=acceptance_of(
            kind,
            funded,
            host.ledger,
            check_request=check_request,
            input_of=call.takes,
            limit=settings.amount_limit,
        ),
        providers=[provider],
        patience={call.row_name: Patience(settings.patience_s, unavailable)},
    )
