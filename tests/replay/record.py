"""Records the histories of this version's workflows: `make record-histories VERSION=payment-v3`.

A recorded history is never recorded again: it stands for the runs that are out there. A version
that exists is refused.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from temporalio.client import Client, WorkflowHistory

from perdure.durable.operation_ids import reversal_id
from perdure.storage.pool import Pool, open_pool
from tests.replay.onboarding_scenarios import ONBOARDING_SCENARIOS
from tests.replay.recorded import HISTORIES
from tests.replay.refund_scenarios import REFUND_SCENARIOS
from tests.replay.renewal_scenarios import RENEWAL_SCENARIOS, RENEWAL_SCENARIOS_CALLED_OFF
from tests.replay.scenarios import (
    SCENARIOS,
    SCENARIOS_AT_ONCE,
    SCENARIOS_THAT_WAIT,
    SCENARIOS_WITH_LIES,
)
from tests.replay.trade_scenarios import TRADE_SCENARIOS, TRADE_SCENARIOS_UNDONE
from tests.replay.transfer_scenarios import TRANSFER_SCENARIOS
from tests.servers import migrated_database, postgres_server, temporal_server
from tests.workflows.worker import (
    scripted_onboardings,
    scripted_payments,
    scripted_refunds,
    scripted_renewals,
    scripted_trades,
    scripted_transfers,
)


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


async def _record_payments(client: Client, pool: Pool, folder: Path) -> None:
    for scenario in SCENARIOS + SCENARIOS_AT_ONCE + SCENARIOS_WITH_LIES + SCENARIOS_THAT_WAIT:
        async with scripted_payments(client, pool) as payments:
            payments.world.answers.update(scenario.answers)
            handle = await payments.start(daily_limit_minor=700, **scenario.start)
            await scenario.drive(payments, handle)
            _keep(await handle.fetch_history(), folder / f"{scenario.name}.json")


async def _record_transfers(client: Client, pool: Pool, folder: Path) -> None:
    for scenario in TRANSFER_SCENARIOS:
        async with scripted_transfers(client, pool) as transfers:
            transfers.world.answers.update(scenario.answers)
            handle = await transfers.start()
            await scenario.drive(transfers, handle)
            _keep(await handle.fetch_history(), folder / f"{scenario.name}.json")


async def _record_renewals(client: Client, pool: Pool, folder: Path) -> None:
    for scenario in RENEWAL_SCENARIOS + RENEWAL_SCENARIOS_CALLED_OFF:
        async with scripted_renewals(client, pool) as renewals:
            renewals.world.answers.update(scenario.answers)
            handle = await renewals.start()
            await scenario.drive(renewals, handle)
            _keep(await handle.fetch_history(), folder / f"{scenario.name}.json")


async def _record_refunds(client: Client, pool: Pool, folder: Path) -> None:
    for scenario in REFUND_SCENARIOS:
        async with scripted_refunds(client, pool) as refunds:
            refunds.world.answers.update(scenario.answers)
            handle = await refunds.start()
            await scenario.drive(refunds, handle)
            _keep(await handle.fetch_history(), folder / f"{scenario.name}.json")


async def _record_trades(client: Client, pool: Pool, folder: Path) -> None:
    """Record trades, and beside them what undid them."""
    reversals = folder.with_name(folder.name.replace("trade", "trade_reversal"))
    reversals.mkdir()
    for scenario in TRADE_SCENARIOS + TRADE_SCENARIOS_UNDONE:
        async with scripted_trades(client, pool) as trades:
            trades.world.answers.update(scenario.answers)
            handle = await trades.start()
            await scenario.drive(trades, handle)
            name = f"{scenario.name}.json"
            _keep(await handle.fetch_history(), folder / name)
            if scenario in TRADE_SCENARIOS_UNDONE:
                undoing = client.get_workflow_handle(reversal_id(handle.id))
                _keep(await undoing.fetch_history(), reversals / name)


async def _record_onboardings(client: Client, pool: Pool, folder: Path) -> None:
    for scenario in ONBOARDING_SCENARIOS:
        async with scripted_onboardings(client, pool) as onboardings:
            onboardings.world.answers.update(scenario.answers)
            handle = await onboardings.start(**scenario.start)
            await scenario.drive(onboardings, handle)
            _keep(await handle.fetch_history(), folder / f"{scenario.name}.json")


_RECORDERS = {
    "payment": _record_payments,
    "transfer": _record_transfers,
    "renewal": _record_renewals,
    "refund": _record_refunds,
    "trade": _record_trades,
    "onboarding": _record_onboardings,
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
