"""A worker process: polls its role's queues until told to stop, then finishes what it holds."""

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

import structlog
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from perdure.bootstrap import Platform, interceptors, open_platform, open_registrations
from perdure.capability.assembly import pure_modules
from perdure.config import Settings
from perdure.durable.deployments import deployment_config
from perdure.durable.provider_slots import provider_tuner
from perdure.durable.queues import OPERATIONS, provider_of
from perdure.durable.registration import Registration
from perdure.durable.sandbox import sandboxed_runner
from perdure.observability.runtime import process_runtime
from perdure.worker.janitor import janitor
from perdure.worker.plans import work_of

log = structlog.get_logger()

_DRAIN: Final = timedelta(seconds=20)
"""How long activities may go on after a stop was asked for."""


def build_worker(platform: Platform, work: Registration) -> Worker:
    """Return the worker of one queue."""
    settings = platform.settings
    provider = provider_of(work.queue)
    # Waiting for a provider's limit is done in its queue, not in the worker's slots.
    slots: dict[str, Any] = (
        {
            "tuner": provider_tuner(
                platform.permits, provider, at_once_max=settings.max_concurrent_activities
            )
        }
        if provider
        else {
            "max_concurrent_activities": settings.max_concurrent_activities,
            "max_concurrent_local_activities": settings.max_concurrent_activities,
            "max_concurrent_workflow_tasks": settings.max_concurrent_workflow_tasks,
        }
    )
    return Worker(
        platform.client,
        task_queue=platform.queues[work.queue],
        workflows=work.workflows,
        activities=work.activities,
        interceptors=interceptors(platform),
        workflow_runner=workflow_runner(settings),
        graceful_shutdown_timeout=_DRAIN,
        deployment_config=deployment_config(platform.version, work.queue),
        **slots,
    )


def workflow_runner(settings: Settings) -> WorkflowRunner:
    """Return what runs workflows' code: in a sandbox, or not."""
    if settings.workflow_sandbox:
        return sandboxed_runner(pure_modules())
    return UnsandboxedWorkflowRunner()


async def run_worker(settings: Settings, role: str) -> None:
    """Run a worker of a role until SIGTERM or SIGINT.

    A worker that fails ends the process, so that whoever supervises it sees it and starts another.

    Raises:
        ConfigurationError: No such role, or a setting is wrong.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    name, runtime = f"worker-{role}", process_runtime(f"worker-{role}", settings.build)
    async with (
        open_platform(
            settings, application_name=f"perdure-{name}", runtime=runtime, lazy=False
        ) as platform,
        open_registrations(platform) as registrations,
    ):
        await _poll_until(stop, platform, work_of(role, platform.kinds, registrations))
    log.info("worker_stopped", role=role)


async def _poll_until(stop: asyncio.Event, platform: Platform, work: list[Registration]) -> None:
    workers = [build_worker(platform, part) for part in work]
    background = []
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        for part in work:
            # Last in, so first out: what it holds is another worker's before this one drains.
            await stack.enter_async_context(part.running_beside())
        if any(part.queue == OPERATIONS for part in work):
            background.append(asyncio.create_task(janitor(platform).run()))
        log.info("worker_started", queues=[worker.task_queue for worker in workers])
        await stop.wait()
        log.info("worker_draining")
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
