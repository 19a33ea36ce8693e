"""The bank that pays out: payouts, and taking them back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, Self

import aiohttp
from pydantic import TypeAdapter

from perdure.core.effects import Effect, EffectStatuses
from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.credentials import HttpSettings
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.simulator import Listener, Simulator

PAYOUT_STATUSES: Final = EffectStatuses(stands="paid", undone="recalled", nothing=("failed",))

REFUSALS: Final = frozenset({"payout_not_recallable", "payout_recalled"})
"""The bank's own words for a no that stays one, beside those of a 402."""


@dataclass(frozen=True, slots=True)
class Payout(Effect):
    """Money paid out to a destination; its status is one of `PAYOUT_STATUSES`, as far as we know.

    Args:
        failure_code: Why it failed, where it did.
    """

    failure_code: str | None = None


class PayoutBank(Protocol):
    """What Perdure needs of a bank.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be).
    """

    async def pay_out(
        self, *, reference: str, amount_minor: int, currency: str, destination: str
    ) -> Payout:
        """Pay money out. Not to be repeated on a guess: the bank may not know repeats as such.

        Args:
            destination: As the bank names it: an IBAN, say.

        Raises:
            ProviderDeclined: The bank's answer is no (`account_closed`…); it paid nothing.
            ProviderOutcomeUnknown: It may have been paid; `find_payout` tells.
        """
        ...

    async def find_payout(self, reference: str) -> Payout | None:
        """Ask for the payout under our reference; None: the bank never saw it."""
        ...

    async def recall_payout(self, reference: str) -> Payout:
        """Take a payout's money back; one that failed is answered as it is. Repeatable.

        A reference the bank never saw is recalled too, as a payout of nothing: whatever arrives
        under it afterwards is declined.

        Raises:
            ProviderDeclined: `payout_not_recallable`: the money stays where it is.
            ProviderOutcomeUnknown: It may have been taken back.
        """
        ...


BANK_ROLE: Final[Role[PayoutBank]] = Role(
    "bank",
    PayoutBank,
    {"http": "perdure.providers.bank:HttpPayoutBank"},
    default="http",
    ask=lambda bank: bank.find_payout(ASKED_BY_DOCTOR),
    timeout_s=5.0,
    simulator=Simulator(
        name="bank",
        commands={"bank": "perdure.simulators.commands:bank"},
        listens=(Listener("bank_port", 8105),),
        has_faults=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Payouts:
    data: list[Payout]


_PAYOUT: Final = TypeAdapter(Payout)
_PAYOUTS: Final = TypeAdapter(_Payouts)


class HttpPayoutBank:
    """A bank over HTTP.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
    """

    settings_type = HttpSettings

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._http = ProviderHttp(
            client, "The bank", refusals=REFUSALS, simulated_by=BANK_ROLE.simulated_as()
        )

    @classmethod
    def from_settings(cls, settings: HttpSettings, host: ProviderHost) -> Self:
        """Return the bank at a URL."""
        return cls(host.http(settings))

    async def pay_out(
        self, *, reference: str, amount_minor: int, currency: str, destination: str
    ) -> Payout:
        """Pay money out; see `PayoutBank.pay_out`."""
        body = {
            "reference": reference,
            "amount_minor": amount_minor,
            "currency": currency,
            "destination": destination,
        }
        return await self._http.act("/v1/payouts", body, _PAYOUT, idempotency_key=reference)

    async def find_payout(self, reference: str) -> Payout | None:
        """Ask for a payout; where there are several, the first: the others are not ours to use."""
        page = await self._http.read("/v1/payouts", _PAYOUTS, params={"reference": reference})
        return page.data[0] if page.data else None

    async def recall_payout(self, reference: str) -> Payout:
        """Take a payout back; see `PayoutBank.recall_payout`."""
        return await self._http.act("/v1/payouts/recall", {"reference": reference}, _PAYOUT)

    def books(self, since: datetime | None) -> AsyncIterator[Payout]:  # noqa: ARG002 - it has all
        """Yield every payout there is; see `TellsBooks`."""
        return self._http.read_all("/v1/payouts", Payout)
