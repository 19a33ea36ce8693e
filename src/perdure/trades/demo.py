"""`perdure demo trades`: orders that meet, a service that is killed, an asset that nobody gets.

All that was matched is exchanged or given back whole: the services' own books are the proof.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.cli.demo_stage import DEMO_DIR, DataDir, api_client_of, run_story
from perdure.cli.machine import Machine, Report
from perdure.cli.output import Output, OutputFormat
from perdure.cli.ports import PortBase
from perdure.trades.demo_move import MoveStory
from perdure.trades.demo_show import (
    OPTIONS,
    SETTINGS,
    Show,
    TradesResult,
    as_json,
    print_result,
)

_DOOMED_AT: Final = 0.25
_KILLED_AT: Final = 0.5
"""How much of the orders is in by then."""


class _Show(Show):
    async def interfere(self) -> None:
        """Have an asset fail for good, and kill a service in the middle."""
        await self.until_in(_DOOMED_AT)
        await self.doom()
        await self.until_in(_KILLED_AT)
        self.kill("wallets", "with trades under way")


@dataclass(frozen=True, slots=True)
class TradesStory:
    """Orders of several customers for several assets.

    Args:
        orders: How many.
    """

    orders: int
    settings = SETTINGS
    options = OPTIONS
    legacy = False

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> TradesResult:
        """Have all be matched and exchanged, whatever goes wrong meanwhile."""
        open_client, result = await api_client_of(machine, platform), TradesResult(self.orders)
        await _Show(machine, platform, open_client, tell, result).run()
        return result

    def as_json(self, result: TradesResult, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        return as_json(result, seconds)

    def print(self, result: TradesResult, seconds: float) -> None:
        """Print what it showed."""
        print_result(result, seconds)


def trades(
    orders: Annotated[int, typer.Option(min=100, max=100_000, help="How many there are.")] = 2_000,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    move: Annotated[
        bool,
        typer.Option("--move", help="Show the move away from the system before instead: Celery."),
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Match orders, exchange what they agreed, kill a service meanwhile, and count all of it."""
    if move:
        run_story(MoveStory(orders), data_dir, output, port_base)
    else:
        run_story(TradesStory(orders), data_dir, output, port_base)
