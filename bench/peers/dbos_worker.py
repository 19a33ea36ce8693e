"""A worker process of the DBOS peer: one workflow of five steps, taken from a queue."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSConfig

from bench import blocking_steps
from bench.steps import Payment

QUEUE: Final = "sagas"
WORKFLOW: Final = "pay"
VERSION: Final = "bench"
POLL_S: Final = 0.05
CONCURRENCY: Final = 50

_pool = blocking_steps.open_pool()
_http = blocking_steps.open_http(CONCURRENCY)


@DBOS.step()
def validate(payment: Payment) -> None:
    """Check that the account can pay."""
    with _pool.connection() as connection, connection.cursor() as cursor:
        blocking_steps.validate(cursor, payment)


@DBOS.step()
def hold(payment: Payment) -> None:
    """Set the money aside."""
    with _pool.connection() as connection, connection.transaction():
        blocking_steps.hold(connection.cursor(), payment)


@DBOS.step()
def pay_out(payment: Payment) -> str:
    """Have the provider pay."""
    return blocking_steps.pay_out(_http, payment)


@DBOS.step()
def settle(payment: Payment, payout_id: str) -> None:
    """Post what was set aside."""
    with _pool.connection() as connection, connection.transaction():
        blocking_steps.settle(connection.cursor(), payment, payout_id)


@DBOS.step()
def notify(payment: Payment) -> None:
    """Tell the payer."""
    blocking_steps.tell(_http, payment)
    with _pool.connection() as connection, connection.transaction():
        blocking_steps.told(connection.cursor(), payment)


@DBOS.workflow(name=WORKFLOW)
def pay(payment_id: str, account_id: int, amount_minor: int) -> str:
    """Carry a payment out."""
    payment = Payment(payment_id, account_id, amount_minor)
    validate(payment)
    hold(payment)
    payout_id = pay_out(payment)
    settle(payment, payout_id)
    notify(payment)
    return payout_id


def main() -> None:
    """Work until SIGTERM."""
    name, mark = sys.argv[1:]
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": os.environ["BENCH_DATABASE_URL"],
        "executor_id": name,
        "application_version": VERSION,
        "sys_db_pool_size": 20,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=CONCURRENCY, polling_interval_sec=POLL_S)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Path(mark).touch()
    stop.wait()
    DBOS.destroy()
    _pool.close()


if __name__ == "__main__":
    main()
