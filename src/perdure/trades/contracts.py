"""What a trade is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note
from perdure.notifications.contracts import Party

KIND: Final = "trade"
ID_PREFIX: Final = "trd"
WORKFLOW: Final = "Trade"
REVERSAL_WORKFLOW: Final = "TradeReversal"

OPEN: Final = "trade.open"
BLOCK_ASSET: Final = "trade.block_asset"
RESOLVE_BLOCK: Final = "trade.resolve_block"
MOVE_MONEY: Final = "trade.move_money"
RESOLVE_MONEY: Final = "trade.resolve_money"
DELIVER_ASSET: Final = "trade.deliver_asset"
RESOLVE_DELIVERY: Final = "trade.resolve_delivery"
SETTLE: Final = "trade.settle"
REVERSE: Final = "trade.reverse"
FIND_DELIVERY: Final = "trade.find_delivery"
RETURN_MONEY: Final = "trade.return_money"
UNBLOCK_ASSET: Final = "trade.unblock_asset"
CLOSE: Final = "trade.close"

ASSETS: Final = "assets"
WALLETS: Final = "wallets"
"""The two services, as in their queues' names."""
ASSETS_UNAVAILABLE: Final = "assets_unavailable"
WALLETS_UNAVAILABLE: Final = "wallets_unavailable"
"""The codes where one of them cannot be reached."""


@dataclass(frozen=True, slots=True)
class TradeRequest:
    """What two orders that met have agreed: made by the asset's writer, for each fill.

    Args:
        price_minor: Of one lot: the maker's.
        trade_number: Rises by one within an asset.
        buyer_fee_minor: What the buyer pays beside the price.
        seller_fee_minor: What is taken off the price for the seller.
        buyer, seller: Who is told how it ended.
    """

    asset: str
    quantity_lots: int
    price_minor: int
    currency: str
    trade_number: int
    buy_order_id: str
    buyer_customer_id: str
    buyer_account_id: str
    buyer_fee_minor: int
    sell_order_id: str
    seller_customer_id: str
    seller_account_id: str
    seller_fee_minor: int
    buyer: Annotated[Party, Note(correctable=True)] = field(default_factory=Party)
    seller: Annotated[Party, Note(correctable=True)] = field(default_factory=Party)

    @property
    def value_minor(self) -> int:
        """The price of all of it."""
        return self.price_minor * self.quantity_lots

    @property
    def paid_minor(self) -> int:
        """What leaves the buyer's account."""
        return self.value_minor + self.buyer_fee_minor

    @property
    def earned_minor(self) -> int:
        """What comes to the seller's account; less than nothing is left of it where fees eat it."""
        return self.value_minor - self.seller_fee_minor

    @property
    def fees_minor(self) -> int:
        """What the house earns."""
        return self.buyer_fee_minor + self.seller_fee_minor

    @property
    def name(self) -> str:
        """What people call it: one trade of an asset has the number."""
        return f"{self.asset}-{self.trade_number}"


@dataclass(frozen=True, slots=True)
class TradeInput:
    """The workflow's input, and its reversal's."""

    operation_id: str
    request: TradeRequest


@dataclass(frozen=True, slots=True)
class Blocked:
    """A block at the asset service, as it stood when it was kept.

    Args:
        status: `blocked`, `delivered` or `unblocked`.
    """

    block_id: str
    status: str


@dataclass(frozen=True, slots=True)
class BlockResolution:
    """What became of a call that blocks; None: it was not made, and will not be."""

    block: Blocked | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer at the wallet service, as it stood when it was kept.

    Args:
        status: `done`, `reversed` or `failed`.
    """

    transfer_id: str
    status: str


@dataclass(frozen=True, slots=True)
class MoneyResolution:
    """What became of a call that moves the money; None: it was not made, and will not be."""

    transfer: Moved | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a call that delivers; None: it was not made, and will not be."""

    block: Blocked | None = None


@dataclass(frozen=True, slots=True)
class SettleTrade:
    """The input of the step that moves the money on our books."""

    trade: TradeInput
    delivered: Blocked


@dataclass(frozen=True, slots=True)
class CloseTrade:
    """The input of the step that releases the money and ends the trade."""

    trade: TradeInput
    failure: Failure
