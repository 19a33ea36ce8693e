"""What the old system has done of a trade, written down as Perdure would have: nothing is repeated.

A finished step is found done by Perdure's script, and what the old system was at is asked about
before it is done: `ProviderCalls` finds an intent, as a runner of ours that died would leave it.
"""

from typing import Any, Final

from perdure.capability.entries import hold_id
from perdure.legacy.queue import Held
from perdure.operations.provider_call_records import LEASE_MARGIN_S
from perdure.storage.pool import Connection
from perdure.trades.contracts import ASSETS, WALLETS
from perdure.trades.legacy.states import BACK, InternalStatus
from perdure.trades.process import OPEN

_PROVIDERS: Final = {
    InternalStatus.BLOCK_ASSET: ASSETS,
    InternalStatus.MOVE_MONEY: WALLETS,
    InternalStatus.DELIVER_ASSET: ASSETS,
}
_UNDONE_BY: Final = {
    InternalStatus.BLOCK_ASSET: InternalStatus.UNBLOCK_ASSET,
    InternalStatus.MOVE_MONEY: InternalStatus.RETURN_MONEY,
}
_CALL_S_MAX: Final = 25.0
"""The longest time-out that a service may be set to: it tries again far later than that."""


async def adopt(connection: Connection, held: Held) -> None:
    """Write down what was done of a trade, and what it was at."""
    operation = held.operation
    if not held.done and not held.has_begun and not operation.is_reversing:
        return
    await connection.execute(
        "INSERT INTO effects (operation_id, step, result) VALUES ($1, $2, $3)",
        operation.id,
        OPEN.row_name,
        {"hold_id": hold_id(operation.id)},
    )
    for step, provider in _PROVIDERS.items():
        state, answer = _known(held, step)
        if state is None:
            continue
        await connection.execute(
            "INSERT INTO provider_calls"
            " (operation_id, step, provider, reference, state, lease_until, calls, answer)"
            " VALUES ($1, $2, $3, $1, $4, least($5, now() + make_interval(secs => $6)), 1, $7)",
            operation.id,
            step.value,
            provider,
            state,
            held.quiet_at,
            _CALL_S_MAX + LEASE_MARGIN_S,
            answer,
        )


def _known(held: Held, step: InternalStatus) -> tuple[str | None, Any]:
    """Return what is known of a call, as the state of its row, and its answer."""
    if step in held.done:
        return "answered", held.done[step]
    failure = held.operation.failure
    goes_back = held.internal_status not in {*BACK, InternalStatus.SETTLE}
    if goes_back and failure is not None and failure.step == step:
        if held.operation.cancel_request is None:
            no = {"code": failure.code, "message": failure.message, "documented": True}
            return "refused", no
        # It was called off where this may have been done; it may be undone by now.
        return ("not_made" if _UNDONE_BY.get(step) in held.done else "intended"), None
    at_it = held.internal_status == step and held.has_begun
    return ("intended" if at_it else None), None
