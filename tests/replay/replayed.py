"""What replays histories with this version's code, as a worker would."""

from temporalio.worker import Replayer

from perdure.capability.assembly import pure_modules
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.sandbox import sandboxed_runner
from perdure.storage.pool import Pool

# Replaying runs no activity, so what would write has nothing to write with.
NO_POOL: Pool = None  # type: ignore[assignment]


def replayer(*workflows: type) -> Replayer:
    return Replayer(
        workflows=workflows,
        interceptors=[OperationSync(NO_POOL), Cancellation()],
        workflow_runner=sandboxed_runner(pure_modules()),
    )
