"""The five steps for peers that block: psycopg and urllib3.

The database's part of a step is given a cursor, so that a peer can commit its own state with it.
"""

import os
from typing import Any, TypeAlias

import psycopg
import urllib3
from psycopg_pool import ConnectionPool

from bench import statements
from bench.provider import MESSAGES, PAYOUTS
from bench.steps import Payment, RefusedError, message_body, payout_body

Cursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]


def connect() -> "psycopg.Connection[tuple[Any, ...]]":
    """Return this process's own connection, whose cursors take `$1`."""
    return psycopg.connect(
        os.environ["BENCH_DATABASE_URL"], autocommit=True, cursor_factory=psycopg.RawCursor
    )


def open_pool() -> "ConnectionPool[psycopg.Connection[tuple[Any, ...]]]":
    """Return a pool for a process that has threads; its cursors take `$1`."""
    return ConnectionPool(
        os.environ["BENCH_DATABASE_URL"],
        kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
        min_size=1,
        max_size=20,
        open=True,
    )


def open_http(connections: int = 1) -> urllib3.HTTPConnectionPool:
    """Return this process's own client of the provider, keeping so many connections."""
    return urllib3.connectionpool.connection_from_url(
        os.environ["BENCH_PROVIDER_URL"], maxsize=connections, block=True, timeout=10
    )


def validate(cursor: Cursor, payment: Payment) -> None:
    """Check that the account can pay."""
    cursor.execute(statements.VALIDATE, [payment.account_id, payment.amount_minor])
    row = cursor.fetchone()
    if row is None or not row[0]:
        raise RefusedError(payment.id)


def hold(cursor: Cursor, payment: Payment) -> None:
    """Set the money aside."""
    amount = payment.amount_minor
    cursor.execute(statements.HOLD, [payment.id, payment.account_id, amount])
    if cursor.fetchone() is not None:
        cursor.execute(statements.SET_ASIDE, [payment.account_id, amount])
        if cursor.fetchone() is None:
            raise RefusedError(payment.id)
        cursor.execute(statements.PROCESSING, [payment.id])


def pay_out(http: urllib3.HTTPConnectionPool, payment: Payment) -> str:
    """Have the provider pay; returns its id of the payout."""
    payout_id: str = _post(http, PAYOUTS, payout_body(payment), payment.id)["id"]
    return payout_id


def settle(cursor: Cursor, payment: Payment, payout_id: str) -> None:
    """Post what was set aside."""
    cursor.execute(statements.POST_HOLD, [payment.id])
    if cursor.fetchone() is not None:
        cursor.execute(statements.TAKE, [payment.account_id, payment.amount_minor])
        entry = [payment.id, str(payment.account_id), payment.amount_minor]
        cursor.execute(statements.ENTRIES, entry)
        cursor.execute(statements.SUCCEEDED, [payment.id, payout_id])


def tell(http: urllib3.HTTPConnectionPool, payment: Payment) -> None:
    """Tell the payer."""
    _post(http, MESSAGES, message_body(payment), payment.id)


def told(cursor: Cursor, payment: Payment) -> None:
    """Write down that the payer was told, and all is done."""
    cursor.execute(statements.NOTIFIED, [payment.id])
    cursor.execute(statements.FINISHED, [payment.id])


def _post(http: urllib3.HTTPConnectionPool, path: str, body: object, key: str) -> dict[str, Any]:
    response = http.request("POST", path, json=body, headers={"Idempotency-Key": key})
    if response.status >= 400:
        raise RuntimeError(f"{path} answered {response.status}")
    answer: dict[str, Any] = response.json()
    return answer
