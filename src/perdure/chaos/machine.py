"""A platform that shares nothing with any other one, to be treated badly."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from perdure.bootstrap import Platform
from perdure.capabilities import ALLOWED as CAPABILITIES
from perdure.chaos.load import loads
from perdure.cli.environment import DataFolder
from perdure.cli.machine import Machine, run_machine
from perdure.cli.ports import OWN, setting_of
from perdure.cli.simulated import default_ports
from perdure.cli.up import ensure_api_key
from perdure.config import Settings
from perdure.core.clock import utc_now
from perdure.embedded.temporal_cli import SETTING as TEMPORAL_CLI

_SETTINGS: Final = {
    # Short, so that what went wrong is found out within a round.
    "PERDURE_PROVIDER_TIMEOUT_S": "3",
    "PERDURE_JANITOR_INTERVAL_S": "1",
    "PERDURE_JANITOR_STALE_AFTER_S": "8",
}
_SHARED: Final = ("DATABASE_URL", "PERDURE_", "TEMPORAL_")
"""Settings that could have the platform share something with another one."""
_KEPT: Final = (TEMPORAL_CLI, CAPABILITIES)


def take_environment() -> None:
    """Set this process's environment for a platform that has everything of its own."""
    for setting in list(os.environ):
        if setting.startswith(_SHARED) and setting not in _KEPT:
            del os.environ[setting]
    os.environ.update(_SETTINGS)
    for load in loads().values():
        os.environ.update(load.settings)
    ports = OWN | default_ports(Settings.load())
    os.environ.update({setting_of(port): "0" for port in ports})


@asynccontextmanager
async def open_machine(folder: DataFolder) -> AsyncIterator[Machine]:
    """Run a platform on a folder while the context is open; what happens to it goes into a log.

    Raises:
        ConfigurationError: It does not start.
    """
    folder.logs_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.logs_path / "supervisor.log").open("a", buffering=1) as log:

        def note(sentence: str) -> None:
            log.write(f"{utc_now().isoformat()} {sentence}\n")

        options = {name: words for load in loads().values() for name, words in load.options.items()}
        async with run_machine(folder, workers=2, options=options, report=note) as machine:
            yield machine


@asynccontextmanager
async def open_api(machine: Machine, platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of the platform's API that may do everything."""
    await ensure_api_key(machine.folder, platform)
    api_key = machine.folder.api_key_path.read_text().strip()
    async with httpx.AsyncClient(
        base_url=machine.api_url,
        headers={"Authorization": f"Bearer {api_key}"},
        trust_env=False,
    ) as api:
        yield api
