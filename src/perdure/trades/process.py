"""A trade's steps, and its script: delivery versus payment, and the way back.

Which way a step recovers is `rules.RECOVERIES`: what goes forward, or waits for a person, does so
inside its step; all that comes out of one as an error goes backward.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from perdure.capability.contracts import End, Held, failure_of
from perdure.core.errors import PerdureError, ProviderUnavailable
from perdure.core.script import CallStep, Reversal, Runner, Step, not_reached
from perdure.trades import contracts
from perdure.trades.contracts import (
    ASSETS,
    ASSETS_UNAVAILABLE,
    WALLETS,
    WALLETS_UNAVAILABLE,
    Blocked,
    BlockResolution,
    CloseTrade,
    Delivery,
    MoneyResolution,
    Moved,
    SettleTrade,
    TradeInput,
)
from perdure.trades.rules import Outcome, check_stands, goes_back

_SERVICES: Final = {
    ASSETS: ("The asset service", ASSETS_UNAVAILABLE),
    WALLETS: ("The wallet service", WALLETS_UNAVAILABLE),
}


def _not_made(step: str, service: str) -> Callable[[object, PerdureError], PerdureError]:
    """Return what it means that a call was not made; an error that is no answer has it tried on."""
    who, code = _SERVICES[service]
    if goes_back(step, Outcome.NOT_MADE):
        return not_reached(who, code)
    return lambda _, error: ProviderUnavailable(f"{who} cannot be had. {error.message}", code=code)


def _inquiry(name: str, returns: type[Any], service: str) -> CallStep[TradeInput, Any]:
    return CallStep(name, TradeInput, returns, provider=lambda _: service, inquires=True)


OPEN: Final = Step(contracts.OPEN, TradeInput, Held, leads_to_call=True)
"""Begin: the buyer's money is set aside since the orders met."""

BLOCK_ASSET: Final = CallStep(
    contracts.BLOCK_ASSET,
    TradeInput,
    Blocked,
    provider=lambda _: ASSETS,
    resolve=_inquiry(contracts.RESOLVE_BLOCK, BlockResolution, ASSETS),
    found=attrgetter("block"),
    not_made=_not_made("block_asset", ASSETS),
)
"""Have a part of what the sell order reserves blocked for this trade, once."""

MOVE_MONEY: Final = CallStep(
    contracts.MOVE_MONEY,
    TradeInput,
    Moved,
    provider=lambda _: WALLETS,
    resolve=_inquiry(contracts.RESOLVE_MONEY, MoneyResolution, WALLETS),
    found=attrgetter("transfer"),
    not_made=_not_made("move_money", WALLETS),
)
"""Have the buyer's wallet pay the seller's, and both the house's fees, once."""

DELIVER_ASSET: Final = CallStep(
    contracts.DELIVER_ASSET,
    TradeInput,
    Blocked,
    provider=lambda _: ASSETS,
    resolve=_inquiry(contracts.RESOLVE_DELIVERY, Delivery, ASSETS),
    found=attrgetter("block"),
    not_made=_not_made("deliver_asset", ASSETS),
)
"""Have the block become the buyer's: from here on nothing is given back."""

SETTLE: Final = Step(
    contracts.SETTLE,
    SettleTrade,
    End,
    past_return=not goes_back("settle", Outcome.REFUSED),
)
"""Move the money on our books: the trade has succeeded."""

FIND_DELIVERY: Final = CallStep(
    contracts.FIND_DELIVERY,
    TradeInput,
    Delivery,
    provider=lambda _: ASSETS,
    undoes=DELIVER_ASSET,
)
"""Find out whether it was delivered after all; nothing delivers it any more."""

RETURN_MONEY: Final = CallStep(
    contracts.RETURN_MONEY,
    TradeInput,
    MoneyResolution,
    provider=lambda _: WALLETS,
    undoes=MOVE_MONEY,
)
UNBLOCK_ASSET: Final = CallStep(
    contracts.UNBLOCK_ASSET,
    TradeInput,
    BlockResolution,
    provider=lambda _: ASSETS,
    undoes=BLOCK_ASSET,
)
REVERSE: Final = Reversal(
    contracts.REVERSE,
    TradeInput,
    Delivery,
    workflow=contracts.REVERSAL_WORKFLOW,
    undoing=(UNBLOCK_ASSET, RETURN_MONEY),
    unless=FIND_DELIVERY,
)
"""Undo, in reverse, what was done before it was delivered."""

CLOSE: Final = Step(contracts.CLOSE, CloseTrade, End, undoes=True)
"""Release the money: the trade has failed, or is cancelled."""


async def run_trade(trade: TradeInput, steps: Runner) -> End:
    """Carry a trade to its end: asset and money exchanged and both told, or neither moved."""
    try:
        await steps.run(OPEN, trade)
        blocked = await steps.run(BLOCK_ASSET, trade)
        check_stands(blocked.status, "blocked", code="asset_not_blocked")
        moved = await steps.run(MOVE_MONEY, trade)
        check_stands(moved.status, "done", code="money_not_moved")
        delivered = await steps.run(DELIVER_ASSET, trade)
    except PerdureError as error:
        delivery = await steps.run(REVERSE, trade)
        failure = failure_of(error)
    else:
        delivery = Delivery(delivered)
    if delivery.block is not None:
        end = await steps.run(SETTLE, SettleTrade(trade, delivery.block))
    else:
        end = await steps.run(CLOSE, CloseTrade(trade, failure))
    await steps.tell(end.notification_ids)
    return end
