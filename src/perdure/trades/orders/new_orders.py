"""A new order as it is asked for: what is refused before anything is stored, and as which error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from perdure.core.clock import utc_now
from perdure.core.errors import (
    Conflict,
    InsufficientFunds,
    InvalidInput,
    NotFound,
    PerdureError,
    Refused,
)
from perdure.core.ids import new_id
from perdure.ledger.model import Account, AccountStatus
from perdure.trades.book.book import figures_refusal, terms_refusal
from perdure.trades.book.commands import (
    PRICE_MAX_MINOR,
    QUANTITY_MAX_LOTS,
    SelfTrade,
    Side,
    TimeInForce,
)
from perdure.trades.book.events import REJECTIONS, RejectCode
from perdure.trades.orders.instruments import Listed
from perdure.trades.orders.model import ID_PREFIX, Order, new_hold, now_ms

RESERVATION_TOO_SMALL: Final = "reservation_too_small"


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same when it is sent again.

    Args:
        key: Of its sender alone.
        fingerprint: Of what it asks for.
    """

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What is asked for; see `Order` for the fields.

    Args:
        claimed_by: The customer whose key asks for it; None: the house's does.
    """

    customer_id: str
    account_id: str
    asset: str
    side: Side
    price_minor: int
    quantity_lots: int
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    self_trade: SelfTrade = "expire_taker"
    expires_at_ms: int | None = None
    reference: str | None = None
    contact: Mapping[str, Any] | None = None
    once: Once | None = None
    traceparent: str | None = None
    claimed_by: str | None = None


def check_figures(price_minor: int, quantity_lots: int) -> None:
    """Refuse what no asset is traded in; what one is, its book knows.

    Raises:
        InvalidInput: `invalid_price`, `invalid_quantity`.
    """
    if not 0 < price_minor <= PRICE_MAX_MINOR:
        raise InvalidInput(
            f"A price is 1 to {PRICE_MAX_MINOR} minor units a lot.",
            code="invalid_price",
            param="price_minor",
        )
    if not 0 < quantity_lots <= QUANTITY_MAX_LOTS:
        raise InvalidInput(
            f"A quantity is 1 to {QUANTITY_MAX_LOTS} lots.",
            code="invalid_quantity",
            param="quantity_lots",
        )


def order_of(new: NewOrder, listed: Listed | None, account: Account | None) -> Order:
    """Return the order as it is to be stored.

    Raises:
        PerdureError: Why it is not to be.
    """
    if listed is None:
        raise NotFound(f"{new.asset} is not traded here.", code="asset_not_found", param="asset")
    if account is None or account.customer_id != new.customer_id:
        raise NotFound(
            f"There is no account {new.account_id} of this customer.",
            code="account_not_found",
            param="account_id",
        )
    if account.currency != listed.currency:
        raise InvalidInput(
            f"{new.asset} is traded in {listed.currency}, and the account is in"
            f" {account.currency}.",
            code="currency_mismatch",
            param="account_id",
        )
    if account.status != AccountStatus.OPEN:
        raise Refused(
            f"Account {account.id} is {account.status}.",
            code="account_not_open",
            param="account_id",
        )
    now = utc_now()
    is_sell = new.side == "sell"
    order = Order(
        id=new_id(ID_PREFIX),
        intake=0,
        asset=new.asset,
        currency=listed.currency,
        customer_id=new.customer_id,
        account_id=new.account_id,
        reference=new.reference,
        contact=dict(new.contact or {}),
        side=new.side,
        price_minor=new.price_minor,
        quantity_lots=new.quantity_lots,
        time_in_force=new.time_in_force,
        post_only=new.post_only,
        self_trade=new.self_trade,
        expires_at_ms=new.expires_at_ms,
        fee_basis_points=listed.fee_basis_points,
        status="reserving" if is_sell else "entering",
        reason=None,
        remaining_lots=new.quantity_lots,
        filled_lots=0,
        filled_minor=0,
        priority=None,
        hold_id=None,
        hold_minor=0,
        reserved_lots=new.quantity_lots if is_sell else 0,
        reserved_version=0,
        returned_lots=0,
        reduced_version=0,
        is_asked=False,
        traceparent=new.traceparent,
        version=1,
        created_at=now,
        updated_at=now,
    )
    if (code := _refusal(order, listed)) is not None:
        raise refusal_of(code)
    order.hold_minor = order.cost_minor
    if not is_sell:
        order.hold_id = new_hold(order, "hold 1", order.hold_minor).id
    return order


def _refusal(order: Order, listed: Listed) -> RejectCode | None:
    """Say at once what a book would say by what holds now; the asset's own has the last word."""
    figures = (order.price_minor, order.quantity_lots)
    return figures_refusal(listed.instrument, listed.is_halted, *figures) or terms_refusal(
        order.placed(now_ms())
    )


def refusal_of(code: str) -> PerdureError:
    """Return why a book says no, as an error."""
    if code == "insufficient_funds":
        return InsufficientFunds("The account has too little money for what the order may cost.")
    if code == "account_not_open":
        return Refused("The account is closed or blocked.", code=code, param="account_id")
    if code in _TOO_LATE:
        return Conflict(REJECTIONS[code], code="order_ended", param="id")
    if code in _REFUSALS:
        message = _REFUSALS[code]
        if code in _NOT_NOW:
            return Conflict(message, code=code)
        return InvalidInput(message, code=code, param=_PARAMS.get(code))
    # The asset service's own word, or that nobody knows of one.
    return Refused(
        f"The asset could not be set aside for the order: {code}.",
        code="order_rejected",
        param="asset",
    )


_REFUSALS: Final[Mapping[str, str]] = {
    **REJECTIONS,
    RESERVATION_TOO_SMALL: "No more of the asset is set aside for the order; place another for the"
    " rest.",
}
_TOO_LATE: Final = frozenset({"order_not_open", "quantity_already_filled"})
_NOT_NOW: Final = frozenset({"trading_halted", "would_take"})
_PARAMS: Final = {
    "invalid_quantity": "quantity_lots",
    "quantity_too_large": "quantity_lots",
    RESERVATION_TOO_SMALL: "quantity_lots",
    "price_off_tick": "price_minor",
    "price_outside_band": "price_minor",
    "invalid_order": "time_in_force",
    "already_expired": "expires_at",
}
