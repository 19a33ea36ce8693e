"""Records the histories of this version's workflows: `make record-histories VERSION=payment-v3`.

A recorded history is never recorded again: it stands for the runs that are out there. A version
that exists is refused.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from temporalio.client import Client, WorkflowHistory

from perdure.durable.operation_ids import reversal_id
from perdure.storage.pool import Pool, open_pool
from tests.replay.bank_sync_scenarios import BANK_SYNC, BANK_SYNC_SCENARIOS
from tests.replay.erasure_scenarios import ERASURE, ERASURE_SCENARIOS
from tests.replay.onboarding_scenarios import (
    CHECKED_AGAIN,
    FOLLOW_UP_SCENARIOS,
    FOLLOWED_UP,
    ONBOARDING,
    ONBOARDING_SCENARIOS,
    RECHECK_SCENARIOS,
    RECHECK_SCENARIOS_WOKEN,
)
from tests.replay.reconciliation_scenarios import BREAK, BREAK_SCENARIOS, NIGHT, NIGHT_SCENARIOS
from tests.replay.recorded import HISTORIES
from tests.replay.refund_scenarios import REFUND_SCENARIOS
from tests.replay.renewal_scenarios import RENEWAL_SCENARIOS, RENEWAL_SCENARIOS_CALLED_OFF
from tests.replay.scenarios import (
    SCENARIOS,
    SCENARIOS_AT_ONCE,
    SCENARIOS_THAT_WAIT,
    SCENARIOS_WITH_LIES,
    Scenario,
)
from tests.replay.trade_scenarios import TRADE_SCENARIOS, TRADE_SCENARIOS_UNDONE
from tests.replay.transfer_scenarios import TRANSFER_SCENARIOS
from tests.servers import migrated_database, postgres_server, temporal_server
from tests.workflows.scripted_steps import ScriptedKind, StepsScenario
from tests.workflows.worker import (
    scripted_payments,
    scripted_refunds,
    scripted_renewals,
    scripted_steps,
    scripted_trades,
    scripted_transfers,
)

Recorder = Callable[[Client, Pool, Path], Awaitable[object]]


async def record(version: str) -> None:
    """Run every scenario once and keep its history."""
    folder = HISTORIES / version
    if folder.exists():
        sys.exit(
            f"{folder} exists; a recorded history is never recorded again. Name a new version."
        )
    if (kind := version.partition("-")[0]) not in _RECORDERS:
        sys.exit(f"There is nothing to record for {version!r}; name {' or '.join(_RECORDERS)}.")
    folder.mkdir(parents=True)
    with TemporaryDirectory() as temporary, postgres_server(Path(temporary) / "pg") as server_url:
        async with (
            migrated_database(server_url) as database_url,
            open_pool(database_url, size=5) as pool,
            temporal_server(Path(temporary) / "temporal") as client,
        ):
            await _RECORDERS[kind](client, pool, folder)


async def _record(
    scripted: Callable[[Client, Pool], AbstractAsyncContextManager[Any]],
    scenarios: Sequence[Scenario[Any]],
    client: Client,
    pool: Pool,
    folder: Path,
    **start: Any,
) -> dict[str, str]:
    """Record scenarios; returns the id of each one's workflow."""
    ids: dict[str, str] = {}
    for scenario in scenarios:
        async with scripted(client, pool) as operations:
            operations.world.answers.update(scenario.answers)
            handle = await operations.start(**start | scenario.start)
            await scenario.drive(operations, handle)
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        _keep(await first.fetch_history(), folder / f"{scenario.name}.json")
        ids[scenario.name] = handle.id
    return ids


async def _record_trades(client: Client, pool: Pool, folder: Path) -> None:
    """Record trades, and beside them what undid them."""
    await _record(scripted_trades, TRADE_SCENARIOS, client, pool, folder)
    undone = await _record(scripted_trades, TRADE_SCENARIOS_UNDONE, client, pool, folder)
    reversals = folder.with_name(folder.name.replace("trade", "trade_reversal"))
    reversals.mkdir()
    for name, trade_id in undone.items():
        undoing = client.get_workflow_handle(reversal_id(trade_id))
        _keep(await undoing.fetch_history(), reversals / f"{name}.json")


def _of_steps(kind: ScriptedKind, scenarios: Sequence[Scenario[StepsScenario]]) -> Recorder:
    return partial(_record, partial(scripted_steps, kind=kind), scenarios)


_RECORDERS: Mapping[str, Recorder] = {
    "payment": partial(
        _record,
        scripted_payments,
        SCENARIOS + SCENARIOS_AT_ONCE + SCENARIOS_WITH_LIES + SCENARIOS_THAT_WAIT,
        daily_limit_minor=700,
    ),
    "transfer": partial(_record, scripted_transfers, TRANSFER_SCENARIOS),
    "renewal": partial(
        _record, scripted_renewals, RENEWAL_SCENARIOS + RENEWAL_SCENARIOS_CALLED_OFF
    ),
    "refund": partial(_record, scripted_refunds, REFUND_SCENARIOS),
    "trade": _record_trades,
    "onboarding": _of_steps(ONBOARDING, ONBOARDING_SCENARIOS),
    "follow_up": _of_steps(FOLLOWED_UP, FOLLOW_UP_SCENARIOS),
    "recheck": _of_steps(CHECKED_AGAIN, RECHECK_SCENARIOS + RECHECK_SCENARIOS_WOKEN),
    "bank_sync": _of_steps(BANK_SYNC, BANK_SYNC_SCENARIOS),
    "reconciliation": _of_steps(NIGHT, NIGHT_SCENARIOS),
    "reconciliation_break": _of_steps(BREAK, BREAK_SCENARIOS),
    "erasure": _of_steps(ERASURE, ERASURE_SCENARIOS),
}


def _keep(history: WorkflowHistory, path: Path) -> None:
    events = json.loads(history.to_json(), object_hook=_without_the_recorder)
    path.write_text(json.dumps(events, indent=1) + "\n")
    print(f"{path.relative_to(HISTORIES)}: {len(history.events)} events")


def _without_the_recorder(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what tells of the machine it was recorded on, and nothing that replaying reads."""
    return {key: found for key, found in value.items() if key not in {"stackTrace", "identity"}}


if __name__ == "__main__":
    asyncio.run(record(os.environ["VERSION"]))
