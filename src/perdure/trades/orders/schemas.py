"""Orders, books and what is traded, as the API has them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from perdure.api.schemas import (
    Currency,
    CustomerId,
    Moment,
    OptionalText,
    PageQuery,
    Reason,
    Reference,
    RequestBody,
    Text,
)
from perdure.core.clock import utc_now
from perdure.notifications.contracts import Party
from perdure.notifications.rules import check_party
from perdure.trades.book.commands import PRICE_MAX_MINOR, QUANTITY_MAX_LOTS
from perdure.trades.book.snapshot import Level
from perdure.trades.orders.instruments import FEE_BASIS_POINTS_MAX, Listed
from perdure.trades.orders.model import Order

PriceMinor = Annotated[
    int,
    Field(
        description="Of one lot, in minor units; a buy pays it at most, a sell gets it at least.",
        json_schema_extra={"minimum": 1, "maximum": PRICE_MAX_MINOR},
        examples=[1250],
    ),
]
QuantityLots = Annotated[
    int,
    Field(
        description="A whole number of lots, with what was filled.",
        json_schema_extra={"minimum": 1, "maximum": QUANTITY_MAX_LOTS},
        examples=[10],
    ),
]
Asset = Annotated[Text, Field(description="What is traded.", examples=["GEM"])]
Side = Annotated[Literal["buy", "sell"], Field(examples=["buy"], description="Buy or sell.")]
TimeInForce = Annotated[
    Literal["gtc", "gtd", "ioc", "fok"],
    Field(
        description="What is not filled at once stays until it is cancelled (`gtc`) or until"
        " `expires_at` (`gtd`), or is given up: what there is is filled (`ioc`), or everything or"
        " nothing (`fok`)."
    ),
]
SelfTrade = Annotated[
    Literal["expire_taker", "expire_maker", "expire_both", "decrement"],
    Field(
        description="What happens where it meets another order of the same account: this one goes,"
        " the other one, both, or both become smaller."
    ),
]


class ContactBody(RequestBody):
    """Who is told how its trades end."""

    name: OptionalText = Field(default="", description="What messages call them.")
    email: Text | None = None
    phone: Text | None = None

    def party(self) -> Party:
        """Return whom messages go to.

        Raises:
            InvalidInput: No message would reach them.
        """
        return check_party("contact", Party(self.name, self.email, self.phone))


class OrderBody(RequestBody):
    """A new order."""

    customer_id: CustomerId
    account_id: Text = Field(
        description="A buy is paid from it, a sell is paid to it; its assets are those of the"
        " account of this name at the asset service."
    )
    asset: Asset
    side: Side
    price_minor: PriceMinor
    quantity_lots: QuantityLots
    time_in_force: TimeInForce = "gtc"
    post_only: bool = Field(default=False, description="Refused where it would be filled at once.")
    self_trade: SelfTrade = "expire_taker"
    expires_at: Moment | None = Field(default=None, description="Of `gtd`: when it is given up.")
    reference: Reference | None = None
    contact: ContactBody | None = Field(default=None, description="Who is told; null: nobody.")

    @property
    def expires_at_ms(self) -> int | None:
        """When it is given up, as a book counts it."""
        return None if self.expires_at is None else int(self.expires_at.timestamp() * 1000)


class ReplaceBody(RequestBody):
    """What an open order is to be."""

    price_minor: PriceMinor
    quantity_lots: QuantityLots


class OrderView(BaseModel):
    """An order."""

    object: Literal["order"] = "order"
    id: str
    status: Literal[
        "reserving", "entering", "open", "partly_filled", "filled", "cancelled", "rejected"
    ] = Field(
        description="A sell is `reserving` until the asset is set aside, and any order `entering`"
        " until it is in its book."
    )
    reason: str | None = Field(description="Why it was cancelled or rejected; null: it was not.")
    customer_id: str
    account_id: str
    asset: Asset
    side: Side
    price_minor: int = Field(description="Of one lot: its limit.")
    quantity_lots: int = Field(description="In all.")
    filled_lots: int = Field(description="How much of it was traded.")
    remaining_lots: int = Field(description="How much of it may still be.")
    filled_minor: int = Field(description="What was traded is worth, without fees.")
    fees_minor: int = Field(
        description="What its trades cost beside: its basis points of all that was filled, rounded"
        " half up."
    )
    held_minor: int = Field(description="What is held on the account for what remains of a buy.")
    currency: str
    time_in_force: TimeInForce
    post_only: bool = Field(description="Whether it is refused where it would be filled at once.")
    self_trade: SelfTrade
    expires_at: datetime | None = Field(description="When it is given up; null: never.")
    reference: str | None = Field(description="Your own name for it; null: none.")
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        """Show it."""
        expires_ms = order.expires_at_ms
        return cls(
            id=order.id,
            status=order.status,
            reason=order.reason,
            customer_id=order.customer_id,
            account_id=order.account_id,
            asset=order.asset,
            side=order.side,
            price_minor=order.price_minor,
            quantity_lots=order.quantity_lots,
            filled_lots=order.filled_lots,
            remaining_lots=order.remaining_lots,
            filled_minor=order.filled_minor,
            fees_minor=order.fees_minor,
            held_minor=order.hold_minor,
            currency=order.currency,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            self_trade=order.self_trade,
            expires_at=None
            if expires_ms is None
            else datetime.fromtimestamp(expires_ms / 1000, UTC),
            reference=order.reference,
            version=order.version,
            created_at=order.created_at,
            updated_at=order.updated_at,
        )


class OrdersQuery(PageQuery):
    """Which orders."""

    customer_id: CustomerId | None = Field(default=None, description="Only this customer's.")
    reference: Reference | None = Field(
        default=None, description="Only with this reference; with `customer_id`."
    )
    asset: Text | None = Field(default=None, description="Only of this asset.")
    open: bool = Field(default=False, description="Only those that are in their books.")


class LevelView(BaseModel):
    """All that is open at one price."""

    price_minor: int = Field(description="Of one lot.")
    quantity_lots: int = Field(description="How much is offered at it.")
    orders: int = Field(description="By how many orders.")

    @classmethod
    def of(cls, level: Level) -> "LevelView":
        """Show it."""
        return cls(
            price_minor=level.price_minor, quantity_lots=level.quantity_lots, orders=level.orders
        )


class BookQuery(BaseModel):
    """How much of a book."""

    model_config = {"extra": "forbid", "frozen": True}

    levels: int = Field(default=20, ge=1, le=100, description="Of each side, at most so many.")


class BookView(BaseModel):
    """What is bought and sold at each price, the best first; whose it is, nobody is told."""

    object: Literal["book"] = "book"
    asset: str = Field(description="What is traded.")
    currency: str
    is_halted: bool = Field(description="Whether nothing comes in and nothing is filled.")
    sequence: int = Field(description="Counts all that was asked of the book.")
    at: datetime
    bids: list[LevelView] = Field(description="What is bought.")
    asks: list[LevelView] = Field(description="What is sold.")

    @classmethod
    def of(cls, listed: Listed, bids: list[Level], asks: list[Level]) -> "BookView":
        """Show it."""
        return cls(
            asset=listed.asset,
            currency=listed.currency,
            is_halted=listed.is_halted,
            sequence=listed.sequence,
            at=utc_now(),
            bids=[LevelView.of(level) for level in bids],
            asks=[LevelView.of(level) for level in asks],
        )


class InstrumentBody(RequestBody):
    """What an asset is traded by."""

    currency: Currency
    fee_basis_points: int = Field(
        description="What each side pays of the price, in hundredths of a percent.",
        json_schema_extra={"minimum": 0, "maximum": FEE_BASIS_POINTS_MAX},
        examples=[25],
    )
    tick_minor: int = Field(default=1, description="Prices are multiples of it.")
    price_low_minor: int = Field(default=1, description="The lowest price.")
    price_high_minor: int = Field(default=PRICE_MAX_MINOR, description="The highest price.")
    quantity_max_lots: int = Field(default=QUANTITY_MAX_LOTS, description="The largest order.")
    reason: Reason


class InstrumentView(BaseModel):
    """What an asset is traded by."""

    object: Literal["instrument"] = "instrument"
    asset: str = Field(description="What is traded.")
    currency: str
    fee_basis_points: int = Field(description="What each side pays of the price.")
    tick_minor: int = Field(description="Prices are multiples of it.")
    price_low_minor: int = Field(description="The lowest price.")
    price_high_minor: int = Field(description="The highest price.")
    quantity_max_lots: int = Field(description="The largest order.")
    is_halted: bool = Field(description="Whether nothing comes in and nothing is filled.")
    trades: int = Field(description="How many trades there were.")
    created_at: datetime

    @classmethod
    def of(cls, listed: Listed) -> "InstrumentView":
        """Show it."""
        return cls(
            asset=listed.asset,
            currency=listed.currency,
            fee_basis_points=listed.fee_basis_points,
            tick_minor=listed.instrument.tick_minor,
            price_low_minor=listed.instrument.price_low_minor,
            price_high_minor=listed.instrument.price_high_minor,
            quantity_max_lots=listed.instrument.quantity_max_lots,
            is_halted=listed.is_halted,
            trades=listed.trade_number,
            created_at=listed.created_at,
        )
