"""The work of a kind that waits for nobody: its script is tried whole where its workflow runs."""

from collections.abc import Awaitable, Callable
from typing import Any

from perdure.capability.funded import FundedKind, FundedSteps
from perdure.capability.provider_effect import ProviderEffect
from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies, Runner, Step
from perdure.durable.registration import registrations_of
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.outside import use_of
from perdure.providers.choice import Provider, Role
from perdure.refunds.contracts import RefundProvider


def work_of_one_effect(
    host: WorkerHost,
    script: Callable[[Any, Runner], Awaitable[object]],
    *,
    funded: FundedKind[Any, Any, Any],
    role: Role[Provider],
    effect: Callable[[Provider], ProviderEffect[Any, Any, Any]],
    first_try: Step[Any, Any],
    workflow: type[Any],
) -> Work:
    """Return what carries a kind out that an account pays for, and one provider does one thing for.

    Args:
        funded: How it is paid for.
        role: What the provider does for us.
        effect: How it is asked for it.
        first_try: The step that tries all of it; takes what the script is given.

    Raises:
        ConfigurationError: A step has no body, or the provider cannot be made.
    """
    use, first_tries = use_of(role, host.settings), host.first_tries()
    asked = effect(host.outside.made(use))
    at_provider = asked.bodies(
        host.calls, host.steps, first_tries=first_tries, timeout_s=use.timeout_s
    )
    return work_in_one_go(
        host,
        script,
        {**FundedSteps(host.pool, host.steps, host.ledger, funded).bodies, **at_provider},
        first_try=first_try,
        workflow=workflow,
        provider=asked.provider,
        first_tries=first_tries,
        refunds=asked.refunds(use.timeout_s),
    )


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
