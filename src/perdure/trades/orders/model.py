"""An order, as it is stored and shown, and what it may cost."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from perdure.core.clock import utc_now
from perdure.core.ids import TRANSFER, derived_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.notifications.contracts import Party
from perdure.trades.book.commands import Place, SelfTrade, Side, TimeInForce

ID_PREFIX: Final = "ord"
REQUEST_PREFIX: Final = "orq"

Status = Literal[
    "reserving", "entering", "open", "partly_filled", "filled", "cancelled", "rejected"
]
"""A sell is `reserving` until the asset service has set the asset aside; then it is `entering`, as
a buy is at once, until the asset's writer has put it into the book."""

CALLED: Final = "orders"
"""As what the writer of an asset is called, by `LaneCalls`."""
RESERVING: Final = "reserving"
"""In place of the asset: who sets assets aside."""
LISTED: Final = "listed"
"""In place of the asset: who writes what nobody writes yet."""
ANSWERED: Final = "orders answered"
"""As what those are called who wait for a writer."""

IN_BOOK: Final = frozenset({"open", "partly_filled"})
ENDED: Final = frozenset({"filled", "cancelled", "rejected"})


@dataclass(slots=True)
class Order:
    """One order; what changes of it changes here, and is stored with the batch that changed it.

    Args:
        intake: Its place among all that was ever asked of a book.
        quantity_lots: Of the whole order, with what was filled.
        filled_minor: What it was filled for, without fees.
        fee_basis_points: As the asset had it when the order came in.
        reason: Why it was cancelled or rejected.
        priority: Its place in the book among those of its price.
        hold_minor: What a buy has on hold in the ledger, by the transfer `hold_id`.
        reserved_lots: What the asset service is to keep of a sell.
        reserved_version: Counts the reductions of that.
        returned_lots: What of it came to nothing with trades that nothing was blocked for; written
            where those end, whatever the writer has in memory.
        reduced_version: What the service has confirmed; see `kept_version`.
        traceparent: Of the trace that it came in with.
        version: Counts its changes.
    """

    id: str
    intake: int
    asset: str
    currency: str
    customer_id: str
    account_id: str
    reference: str | None
    contact: dict[str, Any]
    side: Side
    price_minor: int
    quantity_lots: int
    time_in_force: TimeInForce
    post_only: bool
    self_trade: SelfTrade
    expires_at_ms: int | None
    fee_basis_points: int
    status: Status
    reason: str | None
    remaining_lots: int
    filled_lots: int
    filled_minor: int
    priority: int | None
    hold_id: str | None
    hold_minor: int
    reserved_lots: int
    reserved_version: int
    returned_lots: int
    reduced_version: int
    is_asked: bool
    traceparent: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it is in the book."""
        return self.status in IN_BOOK

    @property
    def fees_minor(self) -> int:
        """What its fills cost beside their price."""
        return fee_minor(self.filled_minor, self.fee_basis_points)

    @property
    def cost_minor(self) -> int:
        """What a buy may still cost: all that is left of it, at its price, with the fee of that."""
        if self.side == "sell" or not self.remaining_lots:
            return 0
        return self.cost_of(self.price_minor, self.remaining_lots)

    def cost_of(self, price_minor: int, lots: int) -> int:
        """Return what so much more of it may cost."""
        value_minor = price_minor * lots
        fees_minor = fee_minor(self.filled_minor + value_minor, self.fee_basis_points)
        return value_minor + fees_minor - self.fees_minor

    def placed(self, at_ms: int) -> Place:
        """Return the command that puts it into its book."""
        return Place(
            self.id,
            self.account_id,
            self.side,
            self.price_minor,
            self.quantity_lots,
            at_ms,
            self.time_in_force,
            self.post_only,
            self.self_trade,
            self.expires_at_ms,
        )

    @property
    def party(self) -> Party:
        """Who is told how its trades end."""
        return Party(**self.contact)

    @property
    def needed_lots(self) -> int:
        """What the asset service has to keep of a sell: what was sold, and what still may be."""
        return self.filled_lots + self.remaining_lots

    @property
    def kept_lots(self) -> int:
        """What the asset service is to keep of a sell from here on, what was taken included."""
        return self.reserved_lots - self.returned_lots

    @property
    def kept_version(self) -> int:
        """Rises whenever that falls."""
        return self.reserved_version + self.returned_lots


COLUMNS: Final = ", ".join(Order.__slots__)


def fee_minor(value_minor: int, basis_points: int) -> int:
    """Return the fee of a value, rounded half up.

    Of an order it is taken of all that was filled: a fill's own is what it adds to the order's. So
    a hundred small fills cost what one large one does.
    """
    return (value_minor * basis_points + 5_000) // 10_000


HOLD_CODE: Final = "order"


def new_hold(order: Order, purpose: str, amount_minor: int) -> NewTransfer:
    """Return what sets money of a buyer aside for an order."""
    return NewTransfer(
        id=derived_id(TRANSFER, order.id, purpose),
        debit_account_id=order.account_id,
        credit_account_id=system_account_id(SystemAccount.ASSETS_CLEARING, order.currency),
        amount_minor=amount_minor,
        currency=order.currency,
        code=HOLD_CODE,
    )


def now_ms() -> int:
    """Return the time as a book counts it."""
    return int(utc_now().timestamp() * 1000)
