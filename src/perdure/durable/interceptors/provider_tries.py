"""Counts the tries of a step at a provider, and has it wait for one that is away for all."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.core.errors import PerdureError, ProviderError
from perdure.durable.operation_ids import operation_of
from perdure.durable.queues import QueueNames
from perdure.operations.attempts import current_attempt
from perdure.operations.waiting import LOOK_AGAIN_S, ProviderWaits, StepAtProvider, Tries
from perdure.storage.outages import is_outage


class ProviderTries(Interceptor):
    """Says when a step in a provider's queue is tried again, and when it is given up.

    Temporal counts attempts, and knows neither what kept one from the provider nor whether others
    get through to it; so its retry policy has no end of its own there.
    """

    def __init__(self, waits: ProviderWaits, queues: QueueNames) -> None:
        self._waits = waits
        self._queues = queues

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the activities."""
        waits, queues = self._waits, self._queues

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
                info = activity.info()
                provider = None if info.is_local else queues.provider_of(info.task_queue)
                if provider is None or _counts_by_itself(info):
                    return await super().execute_activity(input)
                step = info.activity_type.rpartition(".")[2]
                at = StepAtProvider(operation_of(info.workflow_id or "") or "", step, provider)
                before = await _tries_before(waits, at, info)
                try:
                    return await super().execute_activity(input)
                except ProviderError as error:
                    if waits.patience_of(step) is not None:
                        await waits.weigh(at, error, before)
                    elif error.nobody_gets_through:
                        error.retry_after_s = max(error.retry_after_s or 0.0, LOOK_AGAIN_S)
                    raise
                except PerdureError:
                    raise
                except Exception as error:
                    raise _defect(error, waits, at, before) from error

        return Inbound(next)


def _counts_by_itself(info: activity.Info) -> bool:
    """Whether the step was begun by a version that had Temporal count the tries."""
    return info.retry_policy is not None and bool(info.retry_policy.maximum_attempts)


async def _tries_before(waits: ProviderWaits, at: StepAtProvider, info: activity.Info) -> Tries:
    if info.attempt == 1 or waits.patience_of(at.step) is None:
        return Tries()
    tries = await waits.tries(at, since=info.scheduled_time, otherwise=info.attempt - 1)
    current_attempt(at.step).number = tries.count + 1
    return tries


def _defect(error: Exception, waits: ProviderWaits, at: StepAtProvider, before: Tries) -> Exception:
    """Return what a defect leads to: it is tried as often as a provider is."""
    patience = waits.patience_of(at.step)
    if is_outage(error) or patience is None or before.count + 1 < patience.tries_max:
        return error
    return ApplicationError(
        f"{type(error).__name__}: {error}", type=type(error).__name__, non_retryable=True
    )
