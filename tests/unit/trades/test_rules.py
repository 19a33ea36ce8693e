"""The table of recoveries: complete, and shown as it is."""

from pathlib import Path

import pytest

from perdure.core.script import CallStep, OwnStep, steps_of
from perdure.trades.process import run_trade
from perdure.trades.rules import RECOVERIES, Outcome, Recovery

DOCS = (Path(__file__).parents[3] / "docs" / "trades.md").read_text()


def test_each_step_of_the_script_is_in_the_table() -> None:
    declared = [step for step in steps_of(run_trade) if not isinstance(step, OwnStep)]
    assert {step.row_name for step in declared} == set(RECOVERIES)
    for step in declared:
        if isinstance(step, CallStep):
            assert set(RECOVERIES[step.row_name]) == set(Outcome)


@pytest.mark.parametrize("step", RECOVERIES)
def test_the_table_is_shown_as_it_is(step: str) -> None:
    cells = [RECOVERIES[step].get(outcome, "") for outcome in Outcome]
    assert f"| `{step}` | {' | '.join(cells)} |" in DOCS


def test_nothing_goes_back_once_it_is_delivered() -> None:
    after = set(RECOVERIES) - {"open", "block_asset", "move_money", "deliver_asset"}
    assert not any(Recovery.BACKWARD in RECOVERIES[step].values() for step in after)
