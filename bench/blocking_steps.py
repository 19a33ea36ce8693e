"""The five steps for peers that block: psycopg and httpx.

The database's part of a step is given a cursor, so that a peer can commit its own state with it.
"""

import os
from typing import Any

import httpx
import psycopg
from psycopg_pool import ConnectionPool

from bench import statements
from bench.provider import CHARGES, MESSAGES
from bench.steps import Payment, RefusedError, charge_body, message_body

Cursor = psycopg.Cursor[tuple[Any, ...]]


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


def open_http() -> httpx.Client:
    """Return this process's own client of the provider."""
    return httpx.Client(base_url=os.environ["BENCH_PROVIDER_URL"], timeout=10)


def validate(cursor: Cursor, payment: Payment) -> None:
    """Check that the account can pay."""
    cursor.execute(statements.VALIDATE, [payment.account_id, payment.amount_minor])
    row = cursor.fetchone()
    if row is None or not row[0]:
        raise RefusedError(payment.id)


def debit(cursor: Cursor, payment: Payment) -> None:
    """Set the money aside."""
    amount = payment.amount_minor
    cursor.execute(statements.HOLD, [payment.id, payment.account_id, amount])
    if cursor.fetchone() is not None:
        cursor.execute(statements.SET_ASIDE, [payment.account_id, amount])
        if cursor.fetchone() is None:
            raise RefusedError(payment.id)
        cursor.execute(statements.PROCESSING, [payment.id])


def charge(http: httpx.Client, payment: Payment) -> str:
    """Have the provider collect; returns its id of the charge."""
    response = http.post(
        CHARGES, json=charge_body(payment), headers={"Idempotency-Key": payment.id}
    )
    charge_id: str = response.raise_for_status().json()["id"]
    return charge_id


def credit(cursor: Cursor, payment: Payment, charge_id: str) -> None:
    """Post what was set aside."""
    cursor.execute(statements.POST_HOLD, [payment.id])
    if cursor.fetchone() is not None:
        cursor.execute(statements.TAKE, [payment.account_id, payment.amount_minor])
        entry = [payment.id, str(payment.account_id), payment.amount_minor]
        cursor.execute(statements.ENTRIES, entry)
        cursor.execute(statements.SUCCEEDED, [payment.id, charge_id])


def tell(http: httpx.Client, payment: Payment) -> None:
    """Tell the payer."""
    response = http.post(
        MESSAGES, json=message_body(payment), headers={"Idempotency-Key": payment.id}
    )
    response.raise_for_status()


def told(cursor: Cursor, payment: Payment) -> None:
    """Write down that the payer was told, and all is done."""
    cursor.execute(statements.NOTIFIED, [payment.id])
    cursor.execute(statements.FINISHED, [payment.id])
