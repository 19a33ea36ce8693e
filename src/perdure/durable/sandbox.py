"""The workflow sandbox: on, with a short list of what passes through it."""

from collections.abc import Iterable
from typing import Final

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH: Final = (
    # Pure modules without state: importing them for each workflow costs time, finds nothing.
    "perdure.capability.contracts",
    "perdure.capability.own_workflow",
    "perdure.core",
    "perdure.durable",
    "perdure.notifications.contracts",
    # The ids' library behind perdure.core; its clock is read by activities only.
    "typeid",
    "uuid_utils",
    # What tells of errors and traces: the process's own, and silent while a history is replayed.
    "opentelemetry",
    "sentry_sdk",
)


def sandboxed_runner(pure: Iterable[str] = ()) -> SandboxedWorkflowRunner:
    """Return the runner that keeps workflow code from the clock, the network and the disk.

    Args:
        pure: Modules of the kinds that pass through too.
    """
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH, *pure)
    )
