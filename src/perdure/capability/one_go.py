"""The work of a kind that waits for nobody: its script is tried whole where its workflow runs."""

from collections.abc import Awaitable, Callable
from typing import Any

from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies, Runner, Step
from perdure.durable.registration import registrations_of
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.refunds.contracts import RefundProvider


def work_in_one_go(
    host: WorkerHost,
    script: Callable[[Any, Runner], Awaitable[object]],
    bodies: Bodies,
    *,
    first_try: Step[Any, Any],
    workflow: type[Any],
    provider: str,
    first_tries: FirstTries,
    refunds: RefundProvider | None = None,
) -> Work:
    """Return what carries a kind out: its script in one go, in a lane, or step by step.

    Args:
        bodies: What does the work of the script's steps.
        first_try: The step that tries all of it; takes what the script is given.
        provider: Whom its calls go to, as in its queue's name.
        first_tries: Watches how quick the provider is.
        refunds: How it gives back; None: it is not refunded.

    Raises:
        ConfigurationError: A step has no body.
    """
    tried = script_first_try(
        script,
        first_try.returns,
        bodies,
        deliver=host.deliver,
        permit=host.permit_soon,
        first_tries=first_tries,
    )
    lane = LaneScript(script, first_try.takes, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations_of(
            script, [workflow], {first_try: tried, **bodies}, providers=[provider]
        ),
        lane=lane.run,
        refunds=refunds,
    )
