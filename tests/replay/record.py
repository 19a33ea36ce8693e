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

from perdure.storage.pool import open_pool
from tests.replay.scenarios import HISTORIES, SCENARIOS, Scenario
from tests.servers import migrated_database, postgres_server, temporal_server
from tests.workflows.scripted import PaymentScenario
from tests.workflows.worker import scripted_payments


async def record(version: str) -> None:
    """Run every scenario once and keep its history."""
    folder = HISTORIES / version
    if folder.exists():
        sys.exit(
            f"{folder} exists; a recorded history is never recorded again. Name a new version."
        )
    folder.mkdir(parents=True)
    with TemporaryDirectory() as temporary, postgres_server(Path(temporary) / "pg") as server_url:
        async with (
            migrated_database(server_url) as database_url,
            open_pool(database_url, size=5) as pool,
            temporal_server(Path(temporary)) as client,
        ):
            for scenario in SCENARIOS:
                async with scripted_payments(client, pool) as payments:
                    await _record(scenario, payments, version)


async def _record(scenario: Scenario, payments: PaymentScenario, version: str) -> None:
    payments.world.answers.update(scenario.answers)
    handle = await payments.start(
        callback_timeout_s=scenario.callback_timeout_s, daily_limit_minor=700
    )
    await scenario.drive(payments, handle)
    history = await handle.fetch_history()
    path = HISTORIES / version / f"{scenario.name}.json"
    events = json.loads(history.to_json(), object_hook=_without_the_recorder)
    path.write_text(json.dumps(events, indent=1) + "\n")
    print(f"{path.relative_to(HISTORIES)}: {len(history.events)} events")


def _without_the_recorder(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what tells of the machine it was recorded on, and nothing that replaying reads."""
    return {key: found for key, found in value.items() if key not in {"stackTrace", "identity"}}


if __name__ == "__main__":
    asyncio.run(record(os.environ["VERSION"]))
