"""Compares all the books once everything has ended: ours, the bank's, the messages'."""

from itertools import pairwise
from typing import Final

from perdure.ledger import verify as ledger_verify
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import reporting
from perdure.operations import verify as operations_verify
from perdure.operations.model import Operation, Status

from .outside import AMOUNT_MINOR
from .world import World

LEGAL: Final = {
    Status.PENDING: {
        Status.PROCESSING,
        Status.NEEDS_ATTENTION,
        Status.FAILED,
        Status.CANCELLED,
    },
    Status.NEEDS_ATTENTION: {
        Status.PENDING,
        Status.PROCESSING,
        Status.REVERSING,
        Status.FAILED,
        Status.CANCELLED,
    },
    Status.PROCESSING: {
        Status.UNKNOWN,
        Status.NEEDS_ATTENTION,
        Status.REVERSING,
        Status.SUCCEEDED,
        Status.FAILED,
        Status.CANCELLED,
    },
    Status.UNKNOWN: {
        Status.PROCESSING,
        Status.NEEDS_ATTENTION,
        Status.REVERSING,
        Status.FAILED,
    },
    Status.REVERSING: {Status.FAILED, Status.CANCELLED},
}
"""Which status may follow which."""

_SUBJECTS: Final = {
    Status.SUCCEEDED: "You transferred",
    Status.FAILED: "failed",
    Status.CANCELLED: "was cancelled",
}


async def check(world: World) -> None:
    """Check every transfer of a world, its account, and what holds of the whole database."""
    ended = await world.rows()
    for operation in ended:
        _check_bank(world, operation)
        await _check_steps(world, operation)
        await _check_trail(world, operation)
        await _check_message(world, operation)
    moved_minor = AMOUNT_MINOR * sum(each.status == Status.SUCCEEDED for each in ended)
    async with world.pool.acquire() as connection:
        balance = await PostgresLedger().balance(connection, world.account_id)
    assert balance.posted_minor == world.funds_minor - moved_minor
    assert balance.debits_pending_minor == 0
    assert await ledger_verify.violations(world.pool) == []
    assert await operations_verify.violations(world.pool) == []


def _check_bank(world: World, operation: Operation) -> None:
    assert operation.is_finished, operation
    made = [
        entry.status
        for entry in world.bank.book
        if entry.reference == operation.id and entry.status != "failed"
    ]
    assert len(made) <= 1, f"paid out {len(made)} times"
    assert made.count("paid") == (operation.status == Status.SUCCEEDED), (made, operation.status)


async def _check_steps(world: World, operation: Operation) -> None:
    rows = await world.pool.fetch(
        "SELECT step, count(*) AS times FROM effects WHERE operation_id = $1 GROUP BY step",
        operation.id,
    )
    times = {row["step"]: row["times"] for row in rows}
    end = "settle" if operation.status == Status.SUCCEEDED else "close"
    assert times in ({"hold_funds": 1, end: 1}, {"close": 1}), times


async def _check_trail(world: World, operation: Operation) -> None:
    trail = await reporting.trail(world.pool, operation.id)
    path = [entry.status for entry in trail]
    assert path[0] == Status.PENDING
    for before, after in pairwise(path):
        assert before == after or after in LEGAL.get(before, set()), [str(each) for each in path]
    actions = [entry.action for entry in trail]
    assert actions.count("funds_held") <= 1, actions
    assert actions.count("settled") + actions.count("closed") == 1, actions
    assert actions.count("promoted") <= 1, actions


async def _check_message(world: World, operation: Operation) -> None:
    owed = await world.pool.fetch(
        "SELECT id, subject, state FROM notifications WHERE operation_id = $1", operation.id
    )
    assert [row["state"] for row in owed] == ["sent"]
    assert _SUBJECTS[operation.status] in owed[0]["subject"]
    assert world.sms.sent.count(owed[0]["id"]) == 1
