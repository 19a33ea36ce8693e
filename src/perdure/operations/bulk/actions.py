"""What a bulk can do to each of its operations: the table to add an action to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_json
from perdure.operations.actions import OperatorActions
from perdure.operations.also import Also
from perdure.operations.model import By, Operation

LaneFor = Callable[[Operation], int | None]
"""Returns which lane does an operation again; None: a workflow of its own."""


@dataclass(frozen=True, slots=True)
class Act:
    """One operation's turn.

    Args:
        operation: As it stood just before.
        also: Commits with the action.
    """

    actions: OperatorActions
    operation: Operation
    by: By
    arguments: Mapping[str, Any]
    also: Also
    lane_for: LaneFor


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An action that bulks have.

    Args:
        carry_out: Does it to one operation.
        inverse: The action that undoes it.
        why_no_inverse: What is told to who wants it undone, if nothing does.
        makes: The column of the operation's row that names what the action made of it.
        takes: The arguments it takes, with their types.
        needs: Those it cannot do without.
    """

    carry_out: Callable[[Act], Awaitable[object]]
    inverse: str | None = None
    why_no_inverse: str = ""
    makes: str | None = None
    takes: Mapping[str, type] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that the action does not take, or lacks.

        Raises:
            InvalidInput: `unknown_field`, `missing_field`, or a value is none it can have.
        """
        for name, value in arguments.items():
            if name not in self.takes:
                raise InvalidInput(
                    f"This action takes no {name}.", code="unknown_field", param=name
                )
            if not isinstance(value, self.takes[name]):
                raise InvalidInput(f"{name} is not what it has to be.", param=name)
            check_json(name, value)
        for name in sorted(self.needs):
            if not arguments.get(name):
                raise InvalidInput(f"Give the {name}.", code="missing_field", param=name)


async def _cancel(act: Act) -> None:
    await act.actions.cancel(act.operation.id, act.by, also=act.also)


async def _relaunch(act: Act) -> None:
    lane = act.lane_for(act.operation)
    await act.actions.relaunch(act.operation.id, act.by, lane=lane, also=act.also)


async def _refund(act: Act) -> None:
    await act.actions.refund(act.operation.id, act.by, also=act.also)


async def _park(act: Act) -> None:
    await act.actions.park(act.operation.id, act.by, also=act.also)


async def _release(act: Act) -> None:
    await act.actions.release(act.operation.id, act.by, also=act.also)


async def _correct(act: Act) -> None:
    patch, go_on = act.arguments["patch"], act.arguments.get("go_on", True)
    await act.actions.correct(act.operation.id, act.by, patch, go_on=go_on, also=act.also)


ACTIONS: Final[Mapping[str, BulkAction]] = {
    "cancel": BulkAction(
        _cancel,
        why_no_inverse="What was cancelled has been undone; relaunch it to do it again.",
    ),
    "relaunch": BulkAction(
        _relaunch,
        why_no_inverse="What was relaunched has gone on; cancel it to have it undone.",
        makes="relaunched_as",
    ),
    "refund": BulkAction(
        _refund, why_no_inverse="What was given back is the customer's.", makes="refunded_by"
    ),
    "park": BulkAction(_park, inverse="release"),
    "release": BulkAction(_release, inverse="park"),
    "correct": BulkAction(
        _correct,
        why_no_inverse="What was corrected has gone on; what it said before is on its trail.",
        takes={"patch": dict, "go_on": bool},
        needs=frozenset({"patch"}),
    ),
}


def bulk_action(name: str) -> BulkAction:
    """Return an action by its name.

    Raises:
        InvalidInput: `unknown_action`.
    """
    if name not in ACTIONS:
        raise InvalidInput(
            f"There is no bulk action {name!r}; there are {', '.join(ACTIONS)}.",
            code="unknown_action",
            param="action",
        )
    return ACTIONS[name]
