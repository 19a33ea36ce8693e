"""What a book is told: the commands of its journal.

A command is a tuple of strings and integers, in the journal as it is here: a field is only ever
added at the end, with a default, so that what was written years ago still reads. Prices are minor
units a lot, quantities are lots. The rules each one follows are in `docs/trades.md`.
"""

from typing import Final, Literal, NamedTuple

Side = Literal["buy", "sell"]

TimeInForce = Literal["gtc", "gtd", "ioc", "fok"]
"""What is not filled at once stays until it is cancelled (gtc) or until its time (gtd), or is given
up: what there is is filled (ioc), or everything or nothing (fok)."""

SelfTrade = Literal["expire_taker", "expire_maker", "expire_both", "decrement"]
"""What happens where an order meets another of the same account; the one that comes in decides."""

PRICE_MAX_MINOR: Final = 10**12
QUANTITY_MAX_LOTS: Final = 10**6
"""No instrument allows more: price times quantity stays within the ledger's integers."""


class Instrument(NamedTuple):
    """What an asset's orders have to keep to as they come in; those that are open stay."""

    tick_minor: int = 1
    price_low_minor: int = 1
    price_high_minor: int = PRICE_MAX_MINOR
    quantity_max_lots: int = QUANTITY_MAX_LOTS


class Place(NamedTuple):
    """A new order.

    There is none without a price: who would take any says `ioc` with the highest he would pay.

    Args:
        at_ms: When the writer took it, in milliseconds since 1970.
        post_only: It is refused where it would take; of `gtc` and `gtd` only.
        expires_at_ms: Of `gtd`, and only of that.
    """

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    quantity_lots: int
    at_ms: int
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    self_trade: SelfTrade = "expire_taker"
    expires_at_ms: int | None = None


class Cancel(NamedTuple):
    """What is left of an order is not to be filled any more."""

    order_id: str


class Replace(NamedTuple):
    """An open order gets another price or quantity, as one step.

    Args:
        quantity_lots: Of the whole order, with what was filled: a fill that comes first is not
            bought again.
    """

    order_id: str
    price_minor: int
    quantity_lots: int


class CancelAll(NamedTuple):
    """All that is open, of one account or of all."""

    account_id: str | None = None


class Expire(NamedTuple):
    """All that was good until this time or before: the book looks at no clock."""

    at_ms: int


class ChangeInstrument(NamedTuple):
    """From here on this holds, for what comes in: the fields of an `Instrument`."""

    tick_minor: int
    price_low_minor: int
    price_high_minor: int
    quantity_max_lots: int


class SetHalted(NamedTuple):
    """Halted: nothing comes in and nothing is filled; orders are cancelled, reduced, expired."""

    is_halted: bool


Command = Place | Cancel | Replace | CancelAll | Expire | ChangeInstrument | SetHalted
