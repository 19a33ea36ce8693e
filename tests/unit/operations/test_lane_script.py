"""What a lane does with each kind of step, the work of the steps scripted."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from perdure.core.errors import (
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.script import Body, Runner, ScriptStep
from perdure.core.turns import Permit, take_turn
from perdure.operations.attempts import current_attempt
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.operations.lanes.steps import AtProvider, Postponed, Promoted
from tests.unit.fake_script import (
    CLOSE,
    ENDED,
    FIND_OUT,
    GRANT,
    HOLD,
    SETTLE,
    TAKE_BACK,
    WAIT,
    End,
    Granted,
    Wish,
    run_wish,
)

WISH = {"operation_id": "wsh_1", "provider": "fairy"}


@dataclass
class Work:
    """What does the steps' work, and what was told; an answer may be an error."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    permits: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    def body(self, step: ScriptStep[Any, Any], answer: Any) -> Body:
        async def run(_: Any) -> Any:
            self.calls.append(current_attempt(step.row_name).step)
            await take_turn()
            found = self.answers.get(step.row_name, answer)
            if isinstance(found, Exception):
                raise found
            return found

        return run

    @property
    def bodies(self) -> dict[ScriptStep[Any, Any], Body]:
        answers: dict[ScriptStep[Any, Any], Any] = {
            HOLD: "held",
            GRANT: "gold",
            FIND_OUT: Granted(),
            WAIT: "gold",
            SETTLE: ENDED,
            TAKE_BACK: Granted(),
            CLOSE: End("failed"),
        }
        return {step: self.body(step, answer) for step, answer in answers.items()}

    async def deliver(self, notification_ids: list[str]) -> list[str]:
        self.told += notification_ids
        return self.untold

    def permit(self, provider: str) -> nullcontext[Permit]:
        self.permits.append(provider)
        return nullcontext(Permit())

    async def run(self) -> None:
        lane = LaneScript(run_wish, Wish, self.bodies, deliver=self.deliver, permit=self.permit)
        await lane.run("wsh_1", WISH)

    async def try_first(self, first_tries: FirstTries | None = None) -> Any:
        first = script_first_try(
            run_wish,
            Tried,
            self.bodies,
            deliver=self.deliver,
            permit=self.permit,
            first_tries=first_tries or FirstTries(),
        )
        return await first(Wish())


@dataclass
class Tried:
    """What came of a first try."""

    end: End | None = None
    untold: list[str] = field(default_factory=list)


async def test_a_lane_runs_the_steps_with_their_providers_leave_and_tells() -> None:
    work = Work()
    await work.run()
    assert work.calls == ["hold", "grant", "wait", "settle"]
    assert work.permits == ["fairy"]
    assert work.told == ["ntf_1"]


@pytest.mark.parametrize("step", ["hold", "settle"])
async def test_what_refuses_a_step_promotes_with_its_reason(step: str) -> None:
    with pytest.raises(Promoted) as promoted:
        await Work({step: PerdureError("Not now.")}).run()
    assert promoted.value.reason == f"{step}: Not now."


@pytest.mark.parametrize("answer", [ProviderDeclined("No."), ProviderOutcomeUnknown("Lost.")])
async def test_a_no_and_an_unknown_answer_promote(answer: PerdureError) -> None:
    with pytest.raises(Promoted) as promoted:
        await Work({"grant": answer}).run()
    assert promoted.value.reason == f"grant: {answer.message}"


@pytest.mark.parametrize("answer", [ProviderUnavailable("Away."), ProviderRateLimited("Later.")])
async def test_a_provider_that_did_nothing_is_waited_for(answer: PerdureError) -> None:
    with pytest.raises(Postponed) as postponed:
        await Work({"grant": answer}).run()
    assert postponed.value.at == AtProvider("grant", "fairy")


async def test_what_would_undo_promotes_and_says_what_for() -> None:
    work = Work({"wait": "curse"})
    with pytest.raises(Promoted) as promoted:
        await work.run()
    assert promoted.value.reason == "take_back: It was a curse."
    assert work.calls == ["hold", "grant", "wait"]
    assert work.told == []


async def test_an_own_step_leaves_the_lane_as_it_sees_fit() -> None:
    with pytest.raises(Promoted, match="Nobody confirmed"):
        await Work({"wait": Promoted("Nobody confirmed.")}).run()


async def test_what_a_person_may_have_to_look_at_is_left_to_the_own_workflow() -> None:
    async def script(wish: Wish, steps: Runner) -> None:
        await steps.run_until(FIND_OUT, wish, lambda _: None)

    work = Work()
    lane = LaneScript(script, Wish, work.bodies, deliver=work.deliver, permit=work.permit)
    with pytest.raises(Promoted, match="find_out: It is left to its own workflow"):
        await lane.run("wsh_1", WISH)
    assert work.calls == []


async def test_a_first_try_carries_all_of_it_out_and_says_who_was_not_told() -> None:
    work = Work(untold=["ntf_1"])
    assert await work.try_first() == Tried(ENDED, ["ntf_1"])
    assert work.calls == ["hold", "grant", "wait", "settle"]


@pytest.mark.parametrize(
    "answers",
    [{"grant": ProviderUnavailable("Away.")}, {"wait": "curse"}, {"hold": PerdureError("No.")}],
)
async def test_a_first_try_that_meets_something_comes_to_nothing(answers: dict[str, Any]) -> None:
    work = Work(answers)
    assert await work.try_first() == Tried()
    assert "settle" not in work.calls


async def test_no_first_try_is_made_while_the_provider_is_not_quick() -> None:
    work = Work()
    assert await work.try_first(FirstTries(at_once_max=0)) == Tried()
    assert work.calls == []
