"""The old system's Celery tasks: a transition each, and the reconciler that looks for what is due.

A task that succeeds sends the next one; one that fails sends nothing, and is not retried by Celery.
What is due is found in the table by the reconciler alone, so a message that Redis loses, or Celery
delivers twice, changes nothing.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from celery import Celery

from perdure.legacy.queue import Turn
from perdure.trades.legacy.machine import LegacyTrades
from perdure.trades.legacy.settings import LegacyTradeSettings

ADVANCE: Final = "perdure.trades.advance"
RECONCILE: Final = "perdure.trades.reconcile"
_QUEUE: Final = "perdure-legacy-trades"
_DUE_AT_ONCE: Final = 500

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Result]], Result]


def celery_app(settings: LegacyTradeSettings) -> Celery:
    """Return the app, which sends tasks and knows none: who carries them out adds them."""
    app = Celery("perdure-legacy", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=_QUEUE,
        task_ignore_result=True,
        # A worker that dies has not carried out what it had: another gets it.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": settings.visibility_timeout_s,
            # Otherwise it looks for what is to be delivered again every 100 s.
            "unacked_restore_interval": min(settings.visibility_timeout_s, 10.0),
            "unacked_restore_throttle": 1,
        },
        beat_schedule={
            "reconcile": {
                "task": RECONCILE,
                "schedule": settings.reconcile_s,
                # Those of a time without workers are not made up for.
                "options": {"expires": settings.reconcile_s},
            }
        },
    )
    return app


def add_tasks(app: Celery, trades: LegacyTrades, run: Run[Any]) -> None:
    """Have an app carry the tasks out.

    Args:
        run: Runs a coroutine to its end, from a thread of the worker's.
    """

    def send(turn: Turn) -> None:
        app.send_task(ADVANCE, [turn.operation_id, turn.internal_status, turn.attempt])

    @app.task(name=ADVANCE)  # type: ignore[untyped-decorator]
    def advance(operation_id: str, internal_status: str, attempt: int) -> None:
        following = run(trades.advance(Turn(operation_id, internal_status, attempt)))
        if following is not None:
            send(following)

    @app.task(name=RECONCILE)  # type: ignore[untyped-decorator]
    def reconcile() -> None:
        for turn in run(trades.due(limit=_DUE_AT_ONCE)):
            send(turn)
