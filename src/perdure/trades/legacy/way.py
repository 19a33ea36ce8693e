"""Trades, as the system before Perdure carries them out: Celery over Redis, and a state machine."""

from collections.abc import Mapping
from typing import Any, Final

from perdure.legacy.way import LegacyWay
from perdure.trades.legacy.adoption import adopt
from perdure.trades.legacy.states import FIRST


def _asset(trade: Mapping[str, Any]) -> str:
    return f"asset-{trade['request']['asset']}"


WAY: Final = LegacyWay(
    first=FIRST,
    part=_asset,
    adopt=adopt,
    worker="perdure.trades.legacy.on_machine:run_worker",
    beat="perdure.trades.legacy.on_machine:run_beat",
    broker="PERDURE_LEGACY_BROKER_URL",
    plan="perdure.trades.legacy.plan:plan",
)
