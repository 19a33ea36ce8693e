"""An onboarding's own workflow: able to wait for its check for days, and for people."""

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from perdure.durable.failures import to_domain_error
    from perdure.durable.options import DATABASE_STEP, PROVIDER_OPTIONAL, on_queue
    from perdure.durable.queues import provider_queue
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End
from perdure.identity import process as identity
from perdure.identity.contracts import TOLD
from perdure.identity.waiting import Hints
from perdure.onboarding import contracts, process
from perdure.onboarding.contracts import AGGREGATOR, LeftOut, OnboardingInput
from perdure.onboarding.process import run_onboarding


@workflow.defn(name=contracts.WORKFLOW)
class OnboardingWorkflow:
    """Carries one onboarding to its end."""

    @workflow.init
    def __init__(self, onboarding: OnboardingInput) -> None:  # noqa: ARG002 - Temporal hands it
        self._hints = Hints()

    @workflow.signal(name=TOLD)
    def on_identity_told(self, event_id: str) -> None:
        """Take that there may be something new of the check, which may come before its answer."""
        self._hints.take(event_id)

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> End:
        """Run the onboarding's script."""
        steps = WorkflowRunner(
            tell,
            own={
                identity.WAIT: self._hints.wait_in_operation,
                process.LINK_BANK: _link_bank,
            },
        )
        return await run_onboarding(onboarding, steps)


async def _link_bank(onboarding: OnboardingInput) -> bool:
    """Have a token made; the customer is one already, whatever comes of it."""
    at_aggregator = on_queue(provider_queue(AGGREGATOR), PROVIDER_OPTIONAL)
    try:
        await workflow.execute_activity(contracts.LINK_BANK, onboarding, **at_aggregator)
    except FailureError as error:
        left_out = LeftOut(onboarding.operation_id, to_domain_error(error).code)
        await workflow.execute_local_activity(contracts.LEAVE_OUT_LINK, left_out, **DATABASE_STEP)
        return False
    return True
