"""The old system's state machine of a trade: what is to be done next. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class InternalStatus(StrEnum):
    """What is done next; named as Perdure names the same step."""

    BLOCK_ASSET = "block_asset"
    MOVE_MONEY = "move_money"
    DELIVER_ASSET = "deliver_asset"
    SETTLE = "settle"
    RETURN_MONEY = "return_money"
    UNBLOCK_ASSET = "unblock_asset"
    CLOSE = "close"


FIRST: Final = InternalStatus.BLOCK_ASSET

NEXT: Final[Mapping[InternalStatus, InternalStatus]] = {
    InternalStatus.BLOCK_ASSET: InternalStatus.MOVE_MONEY,
    InternalStatus.MOVE_MONEY: InternalStatus.DELIVER_ASSET,
    InternalStatus.DELIVER_ASSET: InternalStatus.SETTLE,
    InternalStatus.RETURN_MONEY: InternalStatus.UNBLOCK_ASSET,
    InternalStatus.UNBLOCK_ASSET: InternalStatus.CLOSE,
}
"""What follows on each; after the others it is over."""

BACK: Final[Mapping[InternalStatus, InternalStatus]] = {
    InternalStatus.BLOCK_ASSET: InternalStatus.UNBLOCK_ASSET,
    InternalStatus.MOVE_MONEY: InternalStatus.RETURN_MONEY,
    InternalStatus.DELIVER_ASSET: InternalStatus.RETURN_MONEY,
}
"""What follows instead where it was refused, or the trade is called off: the way back.

A service is asked first what it did, so what was refused, and never done, is not undone.
"""
