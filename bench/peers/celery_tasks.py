"""The Celery worker's side: a state machine in PostgreSQL, one task for each of its moves."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, signals

from bench import blocking_steps
from bench.blocking_steps import Cursor
from bench.steps import Payment

app = Celery("bench", broker=os.environ["BENCH_BROKER_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    worker_hijack_root_logger=False,
)

_LOCK = (
    "SELECT account_id, amount_minor, internal_status, payout_id FROM payments WHERE id = $1"
    " FOR UPDATE"
)
_MOVE = (
    "UPDATE payments SET internal_status = $2, attempts = 0, payout_id = coalesce($3, payout_id),"
    " next_check_at = CASE WHEN $2 = 'done' THEN NULL ELSE now() + interval '1 minute' END"
    " WHERE id = $1"
)


class _Process:
    """What one worker process keeps open."""

    def __init__(self) -> None:
        self.connection = blocking_steps.connect()
        self.http = blocking_steps.open_http()


_process: list[_Process] = []


@signals.worker_process_init.connect
def _open(**_: Any) -> None:
    _process.append(_Process())


@signals.worker_ready.connect
def _tell_ready(**_: Any) -> None:
    Path(os.environ["BENCH_READY_FILE"]).touch()


def _move(
    payment_id: str, expects: str, becomes: str, work: Callable[[Cursor, Payment, str], str | None]
) -> None:
    """Do a step's work and move the state machine on, in one commit.

    A payment that is beyond the step already is left as it is: the task was delivered twice.
    """
    connection = _process[0].connection
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [payment_id])
        row = cursor.fetchone()
        assert row is not None, payment_id
        account_id, amount_minor, internal_status, payout_id = row
        if internal_status == expects:
            found = work(cursor, Payment(payment_id, account_id, amount_minor), payout_id or "")
            cursor.execute(_MOVE, [payment_id, becomes, found])


@app.task
def validate(payment_id: str) -> None:
    """Check that the account can pay."""
    _move(
        payment_id, "accepted", "validated", lambda cursor, payment, _: _validate(cursor, payment)
    )
    hold.delay(payment_id)


def _validate(cursor: Cursor, payment: Payment) -> None:
    blocking_steps.validate(cursor, payment)


@app.task
def hold(payment_id: str) -> None:
    """Set the money aside, and write down that the provider is about to be called."""

    def work(cursor: Cursor, payment: Payment, _: str) -> None:
        blocking_steps.hold(cursor, payment)

    _move(payment_id, "validated", "paying_out", work)
    pay_out.delay(payment_id)


@app.task
def pay_out(payment_id: str) -> None:
    """Have the provider pay; the row is not locked meanwhile."""
    connection, http = _process[0].connection, _process[0].http
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.removesuffix(" FOR UPDATE"), [payment_id])
        row = cursor.fetchone()
    assert row is not None, payment_id
    account_id, amount_minor, internal_status, _ = row
    if internal_status == "paying_out":
        payout_id = blocking_steps.pay_out(http, Payment(payment_id, account_id, amount_minor))
        _move(payment_id, "paying_out", "paid_out", lambda _cursor, _payment, _id: payout_id)
    settle.delay(payment_id)


@app.task
def settle(payment_id: str) -> None:
    """Post what was set aside."""

    def work(cursor: Cursor, payment: Payment, payout_id: str) -> None:
        blocking_steps.settle(cursor, payment, payout_id)

    _move(payment_id, "paid_out", "settled", work)
    notify.delay(payment_id)


@app.task
def notify(payment_id: str) -> None:
    """Tell the payer; a message may go out twice where a worker dies between call and commit."""
    http = _process[0].http

    def work(cursor: Cursor, payment: Payment, _: str) -> None:
        blocking_steps.tell(http, payment)
        blocking_steps.told(cursor, payment)

    _move(payment_id, "settled", "done", work)
