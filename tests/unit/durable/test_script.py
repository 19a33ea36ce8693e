"""What a workflow does with each kind of step, its scope and its activities scripted."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from perdure.core.errors import (
    ANSWERS,
    OperationCancelled,
    PerdureError,
    ProviderAway,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.durable import script
from perdure.durable.options import PROVIDER_CALL, PROVIDER_INQUIRY
from perdure.durable.script import WorkflowRunner
from tests.unit.fake_script import (
    CLOSE,
    ENDED,
    FIND_OUT,
    GRANT,
    GRANT_OR_PARK,
    HOLD,
    SETTLE,
    TAKE_BACK,
    WAIT,
    Granted,
    Wish,
    run_wish,
)

WISH = Wish()
AWAY = ProviderUnavailable("It is away.")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")
REFUSED = Refused("No.", code="not_today")


class ScriptedScope:
    """Answers by activity; a list is used up, its last answer staying. Parked steps are resumed."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {HOLD.name: "held", GRANT.name: "gold", SETTLE.name: ENDED}
        self.answers |= {f"wish.{name}": answer for name, answer in answers.items()}
        self.calls: list[str] = []
        self.options: dict[str, tuple[Any, ...]] = {}
        self.parked: list[str] = []
        self.undoes: set[str] = set()
        self.is_to_stop = False

    def check_goes_on(self) -> None:
        if self.is_to_stop:
            raise OperationCancelled("Wrong fairy.")

    def answer(self, name: str, *options: Any) -> Any:
        self.calls.append(name.removeprefix("wish."))
        self.options[name] = options
        answer = self.answers.get(name)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def database_step(self, name: str, _: Any, *, returns: type, undoes: bool) -> Any:
        self.undoes |= {name} if undoes else set()
        return self.answer(name, returns)

    async def provider_step(
        self, name: str, _: Any, *, returns: type, queue: str, profile: Any
    ) -> Any:
        return self.answer(name, returns, queue, profile)

    async def insist(
        self, step: str, attempt: Callable[[], Awaitable[Any]], *, undoes: bool = False
    ) -> Any:
        self.undoes |= {step} if undoes else set()
        for _ in range(5):
            try:
                return await attempt()
            except PerdureError as error:
                if isinstance(error, ANSWERS) and not undoes:
                    raise
                self.parked.append(step.removeprefix("wish."))
        raise AssertionError(f"{step} was parked five times")


async def told(_: list[str]) -> None: ...


async def waited(granted: str) -> str:
    return granted


@pytest.fixture
def runner_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., WorkflowRunner]:
    """Return what makes a runner in a scope."""

    def make(scope: ScriptedScope, *, marked: bool = True, **options: Any) -> WorkflowRunner:
        async def first_try(name: str, _: Any, *, returns: type) -> Any:
            return scope.answer(name, returns)

        monkeypatch.setattr(script, "current_scope", lambda: scope)
        monkeypatch.setattr(script, "first_try", first_try)
        monkeypatch.setattr("temporalio.workflow.patched", lambda _: marked)
        return WorkflowRunner(told, own={WAIT: waited}, **options)

    return make


MakeRunner = Callable[..., WorkflowRunner]


async def test_a_script_runs_its_steps_in_its_order(runner_in: MakeRunner) -> None:
    scope = ScriptedScope()
    runner = runner_in(scope)
    assert await run_wish(WISH, runner) == ENDED
    assert scope.calls == ["hold", "grant_at_once", "grant", "settle"]
    assert scope.options[HOLD.name] == (str,)
    assert scope.options[GRANT.name] == (str, "provider-fairy", PROVIDER_CALL)
    assert (runner.begun, runner.done) == ({GRANT}, {HOLD, SETTLE})


async def test_a_call_made_by_its_first_try_is_not_made_by_its_queue(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant_at_once=Granted("silver"))
    assert await runner_in(scope).run(GRANT, WISH) == "silver"
    assert scope.calls == ["grant_at_once"]


async def test_what_is_not_to_try_first_does_not(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant_at_once=Granted("silver"))
    assert await runner_in(scope, tries_first=False).run(GRANT, WISH) == "gold"
    assert scope.calls == ["grant"]


async def test_a_no_is_an_answer_and_nothing_is_found_out(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant=REFUSED)
    with pytest.raises(Refused, match="No"):
        await runner_in(scope).run(GRANT, WISH)
    assert scope.calls == ["grant_at_once", "grant"]


@pytest.mark.parametrize("last", [AWAY, UNKNOWN, PerdureError("A defect.")])
async def test_tries_that_are_used_up_are_found_out(
    runner_in: MakeRunner, last: PerdureError
) -> None:
    scope = ScriptedScope(grant=last, find_out=[UNKNOWN, Granted("gold")])
    assert await runner_in(scope).run(GRANT, WISH) == "gold"
    assert scope.calls == ["grant_at_once", "grant", "find_out", "find_out"]
    assert scope.parked == ["find_out"]
    assert scope.options[FIND_OUT.name] == (Granted, "provider-fairy", PROVIDER_INQUIRY)


async def test_a_call_that_was_not_made_ends_as_it_says(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant=AWAY, find_out=Granted())
    with pytest.raises(Refused, match=r"fairy did nothing\. It is away\.") as refused:
        await runner_in(scope).run(GRANT, WISH)
    assert refused.value.__cause__ is AWAY


async def test_a_call_that_was_not_made_as_it_was_called_off_is_cancelled(
    runner_in: MakeRunner,
) -> None:
    scope = ScriptedScope(grant=AWAY, find_out=Granted())
    scope.is_to_stop = True
    with pytest.raises(OperationCancelled, match="Wrong fairy"):
        await runner_in(scope).run(GRANT, WISH)


async def test_a_call_that_parks_is_tried_again_as_a_whole(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant=[AWAY, "gold"], find_out=UNKNOWN)
    assert await runner_in(scope).run(GRANT_OR_PARK, WISH) == "gold"
    assert scope.calls == ["grant", "find_out", "grant"]
    assert scope.parked == ["grant"]


async def test_a_provider_waited_for_in_vain_parks_the_call_itself(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(grant=[ProviderAway("For an hour."), "gold"])
    assert await runner_in(scope).run(GRANT, WISH) == "gold"
    assert scope.parked == ["grant"]
    assert "find_out" not in scope.calls


async def test_an_answer_that_does_not_pass_parks_until_one_does(runner_in: MakeRunner) -> None:
    def check(found: Granted) -> None:
        if found.answer is None:
            raise PerdureError("Not yet.")

    scope = ScriptedScope(find_out=[Granted(), UNKNOWN, Granted("gold")])
    found = await runner_in(scope).run_until(FIND_OUT, WISH, check)
    assert found == Granted("gold")
    assert scope.parked == ["find_out", "find_out"]


async def test_an_error_has_what_began_undone_whatever_comes(runner_in: MakeRunner) -> None:
    scope = ScriptedScope(settle=REFUSED, take_back=[REFUSED, AWAY, Granted("gold")], close=ENDED)
    await run_wish(WISH, runner_in(scope))
    assert scope.calls[-5:] == ["settle", "take_back", "take_back", "take_back", "close"]
    assert scope.parked == ["take_back", "take_back"]
    assert scope.undoes == {TAKE_BACK.name, CLOSE.name}
    assert scope.options[TAKE_BACK.name] == (Granted, "provider-fairy", PROVIDER_INQUIRY)


@pytest.mark.parametrize(
    ("options", "has_begun", "is_undone"),
    [
        ({}, False, True),
        ({"undo_marker": "since"}, False, True),
        ({"undo_marker": "since", "marked": False}, False, False),
        ({"undo_marker": "since", "marked": False}, True, True),
    ],
)
async def test_what_a_run_did_not_begin_is_undone_unless_it_is_older_than_that(
    runner_in: MakeRunner, options: dict[str, Any], has_begun: bool, is_undone: bool
) -> None:
    scope = ScriptedScope(take_back=Granted("gold"))
    runner = runner_in(scope, **options)
    if has_begun:
        await runner.run(GRANT, WISH)
    undone = await runner.run(TAKE_BACK, WISH)
    assert undone == Granted("gold" if is_undone else None)
    assert ("take_back" in scope.calls) is is_undone
