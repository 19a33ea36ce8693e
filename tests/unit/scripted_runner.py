"""A runner whose steps succeed, or answer and raise what a test says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perdure.core.script import CallStep, Given, Result, ScriptStep


@dataclass
class ScriptedRunner:
    """Answers by a step's name within its operation: a value, an error, or a function of the input.

    Attributes:
        calls: The steps that were run, in their order; `tell` among them.
        given: What each was given last.
    """

    answers: dict[str, Any]
    calls: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        result: Result = self._answer(step.row_name, given)
        return result

    async def run_until(
        self, call: CallStep[Given, Result], given: Given, check: Callable[[Result], None]
    ) -> Result:
        result = await self.run(call, given)
        check(result)
        return result

    async def tell(self, notification_ids: list[str]) -> None:
        self._answer("tell", notification_ids)

    def _answer(self, name: str, given: Any) -> Any:
        self.calls.append(name)
        self.given[name] = given
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer(given) if callable(answer) else answer
