"""The asset service: who owns what, what of it is set aside, and delivering it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from perdure.core.ports import LOOPBACK
from perdure.providers.choice import Role
from perdure.providers.simulator import Listener, Ports, Simulator

RESERVE_REFUSALS: Final = frozenset(
    {"insufficient_holding", "holding_frozen", "unknown_asset", "reservation_ended"}
)
REDUCE_REFUSALS: Final = frozenset({"reservation_in_use", "reservation_not_lowered"})
BLOCK_REFUSALS: Final = frozenset(
    {"reservation_exceeded", "unknown_reservation", "holding_frozen", "block_ended"}
)
DELIVER_REFUSALS: Final = frozenset(
    {"block_ended", "delivered_to_another", "recipient_frozen", "unknown_block"}
)
UNBLOCK_REFUSALS: Final = frozenset({"block_delivered"})
REFUSALS: Final = (
    RESERVE_REFUSALS | REDUCE_REFUSALS | BLOCK_REFUSALS | DELIVER_REFUSALS | UNBLOCK_REFUSALS
)
"""The service's own words for a no that stays one."""

BLOCK_STATUSES: Final = frozenset({"blocked", "delivered", "unblocked"})
"""Those that we know the meaning of."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A part of a holding that is set aside for an order.

    Args:
        id: The service's own.
        reference: Ours: the order's id.
        quantity_lots: In all, what is taken included.
        taken_lots: By blocks, whatever became of them.
        version: Of the last reduction; 0: there was none.
    """

    id: str
    reference: str
    owner: str
    asset: str
    quantity_lots: int
    taken_lots: int
    version: int


@dataclass(frozen=True, slots=True)
class BlockedAsset:
    """What was taken of a reservation for a trade.

    Args:
        id: The service's own.
        reference: Ours: the trade's id.
        reservation: The order's id.
        owner: Who gives it.
        status: One of `BLOCK_STATUSES`, as far as we know.
        recipient: Whom it was delivered to; empty: nobody.
    """

    id: str
    reference: str
    reservation: str
    owner: str
    asset: str
    quantity_lots: int
    status: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What an owner has of an asset.

    Args:
        quantity_lots: In all, what is reserved and blocked included.
        reserved_lots: What is reserved and not taken yet.
    """

    owner: str
    asset: str
    quantity_lots: int
    reserved_lots: int
    blocked_lots: int


class AssetService(Protocol):
    """What Perdure needs of an asset service.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be). Each
    that acts raises `ProviderDeclined` with one of its refusals (it did nothing), and
    `ProviderOutcomeUnknown` (it may have acted): `find_reservation` and `find_block` tell.
    """

    async def reserve(
        self, *, reference: str, owner: str, asset: str, quantity_lots: int
    ) -> Reservation:
        """Set a part of a holding aside; refuses with one of `RESERVE_REFUSALS`.

        Not to be repeated on a guess: the service may not know repeats as such.
        """
        ...

    async def reduce(self, *, reference: str, to_quantity_lots: int, version: int) -> Reservation:
        """Lower what is reserved in all; refuses with one of `REDUCE_REFUSALS`. Repeatable.

        To nothing, of a reference that the service never saw: whatever arrives under it afterwards
        is refused.

        Args:
            to_quantity_lots: What blocks took, or are to take, included.
            version: Rises with each reduction; one that is not above the last changes nothing.
        """
        ...

    async def find_reservation(self, reference: str) -> Reservation | None:
        """Ask for the reservation under our reference; None: the service never saw it."""
        ...

    async def block(self, *, reference: str, reservation: str, quantity_lots: int) -> BlockedAsset:
        """Take a part of a reservation for a trade; refuses with one of `BLOCK_REFUSALS`.

        Not to be repeated on a guess: the service may not know repeats as such.

        Args:
            reservation: Its reference.
        """
        ...

    async def find_block(self, reference: str) -> BlockedAsset | None:
        """Ask for the block under our reference; None: the service never saw it."""
        ...

    async def deliver(self, *, reference: str, recipient: str) -> BlockedAsset:
        """Make what is blocked another's, for good; refuses with one of `DELIVER_REFUSALS`.

        Repeatable.
        """
        ...

    async def unblock(self, reference: str) -> BlockedAsset:
        """Make what is blocked its owner's to dispose of; refuses with one of `UNBLOCK_REFUSALS`.

        Repeatable. A reference that the service never saw is unblocked too, as a block of nothing:
        whatever arrives under it afterwards is refused.
        """
        ...

    def holdings(self, asset: str = "") -> AsyncIterator[Holding]:
        """Read who has what, of one asset or of all."""
        ...

    def reservations(self) -> AsyncIterator[Reservation]:
        """Read all reservations, the oldest first."""
        ...

    def blocks(self) -> AsyncIterator[BlockedAsset]:
        """Read all blocks, the oldest first."""
        ...

    async def check(self) -> None:
        """See whether the service would answer us; changes nothing."""
        ...


def _where_it_answers(ports: Ports) -> dict[str, str]:
    return {"url": f"grpc://{LOOPBACK}:{ports['assets_port']}"}


ASSETS_ROLE: Final[Role[AssetService]] = Role(
    "assets",
    AssetService,
    {"grpc": "perdure.trades.services.assets_grpc:GrpcAssetService"},
    default="grpc",
    ask=lambda service: service.check(),
    timeout_s=5.0,
    simulator=Simulator(
        name="assets",
        commands={"assets": "perdure.trades.services.simulators.commands:assets"},
        listens=(
            Listener("assets_control_port", 8110, is_optional=True),
            Listener("assets_port", 8130, "--grpc-port", is_http=False),
        ),
        settings=_where_it_answers,
        has_faults=True,
    ),
)
