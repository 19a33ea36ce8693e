"""The wallet service: whose money is where, and moving it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from perdure.core.effects import Effect, EffectStatuses
from perdure.core.ports import LOOPBACK
from perdure.providers.choice import Role
from perdure.providers.simulator import Listener, Ports, Simulator

TRANSFER_REFUSALS: Final = frozenset(
    {"insufficient_funds", "wallet_frozen", "unknown_wallet", "transfer_reversed"}
)
REVERSE_REFUSALS: Final = frozenset({"transfer_not_reversible"})
REFUSALS: Final = TRANSFER_REFUSALS | REVERSE_REFUSALS
"""The service's own words for a no that stays one."""

TRANSFER_STATUSES: Final = EffectStatuses(stands="done", undone="reversed", nothing=("failed",))


@dataclass(frozen=True, slots=True)
class WalletTransfer(Effect):
    """Money moved from one wallet to another; its status is one of `TRANSFER_STATUSES`.

    Args:
        payer: Whose wallet gives `amount_minor`.
        payee: Whose wallet gets that, less the fee.
        fee_minor: What the house keeps of it.
    """

    payer: str
    payee: str
    fee_minor: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """What an account has in one currency."""

    account: str
    currency: str
    balance_minor: int


class WalletService(Protocol):
    """What Perdure needs of a wallet service.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be). Each
    that acts raises `ProviderDeclined` with one of its refusals (it did nothing), and
    `ProviderOutcomeUnknown` (it may have acted): `find_transfer` tells.
    """

    async def transfer(
        self,
        *,
        reference: str,
        payer: str,
        payee: str,
        amount_minor: int,
        fee_minor: int,
        currency: str,
    ) -> WalletTransfer:
        """Move money; refuses with one of `TRANSFER_REFUSALS`.

        Not to be repeated on a guess: the service may not know repeats as such.

        Args:
            amount_minor: What the payer gives, the fee included.
            fee_minor: What the house keeps of it; the payee gets the rest.
        """
        ...

    async def find_transfer(self, reference: str) -> WalletTransfer | None:
        """Ask for the transfer under our reference; None: the service never saw it."""
        ...

    async def reverse(self, reference: str) -> WalletTransfer:
        """Give all of it back, the fee too; refuses with one of `REVERSE_REFUSALS`. Repeatable.

        A reference that the service never saw is reversed too, as a transfer of nothing: whatever
        arrives under it afterwards is refused.
        """
        ...

    def transfers(self) -> AsyncIterator[WalletTransfer]:
        """Read all transfers, the oldest first."""
        ...

    def wallets(self) -> AsyncIterator[Wallet]:
        """Read what is in each wallet, the house's too."""
        ...

    async def check(self) -> None:
        """See whether the service would answer us; changes nothing."""
        ...


def _where_it_answers(ports: Ports) -> dict[str, str]:
    return {"url": f"grpc://{LOOPBACK}:{ports['wallets_port']}"}


WALLETS_ROLE: Final[Role[WalletService]] = Role(
    "wallets",
    WalletService,
    {
        "grpc": "perdure.trades.services.wallets_grpc:GrpcWalletService",
        "grpc-blocking": "perdure.trades.services.wallets_grpc:BlockingWalletService",
    },
    default="grpc",
    ask=lambda service: service.check(),
    timeout_s=5.0,
    simulator=Simulator(
        name="wallets",
        commands={"wallets": "perdure.trades.services.simulators.commands:wallets"},
        listens=(
            Listener("wallets_control_port", 8111, is_optional=True),
            Listener("wallets_port", 8131, "--grpc-port", is_http=False),
        ),
        settings=_where_it_answers,
        has_faults=True,
    ),
)
