"""A history that is replayed tells nobody anything, and is the same where traces are on."""

from temporalio.worker import Replayer

from perdure.capability.assembly import pure_modules
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.sandbox import sandboxed_runner
from tests.tracing import traced

from .recorded import RECORDED
from .replayed import NO_POOL
from .test_replay import load


async def test_a_run_of_each_workflow_is_replayed_without_a_span_t10() -> None:
    """In the sandbox, with the plugin that has workflows traced."""
    latest = {recorded.workflow: recorded for recorded in RECORDED}
    with traced() as (observed, _, kept):
        for recorded in latest.values():
            replayer = Replayer(
                workflows=[recorded.workflow],
                interceptors=[OperationSync(NO_POOL), Cancellation()],
                plugins=observed.plugins,
                workflow_runner=sandboxed_runner(pure_modules()),
            )
            for scenario in recorded.scenarios[:1]:
                await replayer.replay_workflow(load(recorded, scenario.name))
    assert kept.spans == []
