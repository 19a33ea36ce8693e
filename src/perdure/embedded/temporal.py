"""Temporal's dev server for one machine, as a process to supervise.

Its data lives in one SQLite file. A kill of the server, at any moment, loses nothing that it has
acknowledged. A power loss may lose the last moments before it, never the file: the janitor heals
from the database what is missing. See `docs/adr/0002-embedded-engine.md`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import ConfigurationError
from perdure.core.ports import require_free, why_not
from perdure.embedded.processes import FOUNDATION, ProcessSpec
from perdure.embedded.supervisor import Supervisor

SEARCH_ATTRIBUTES: Final = ("OperationKind", "OperationStatus", "CustomerId", "FailureStep")
"""All of the type Keyword; `durable.search_attributes` uses them."""

SQLITE_PRAGMAS: Final = {
    "journal_mode": "wal",  # as fast as in memory, and readable while written
    "synchronous": "normal",  # synced at checkpoints: see above what that means
}

DYNAMIC_CONFIG: Final = {
    # One shard's queues poll the store 20 times a second by default: each task waits up to 50 ms.
    # A workflow of five activities went from 550 ms to 47 ms.
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    # What lists show is written once a second: one that has ended by then is written once.
    "history.visibilityProcessorMaxPollRPS": "1",
    "history.visibilityTaskBatchSize": "2000",
    # What a queue has done leaves its memory at these intervals, and each new task costs in
    # proportion to what is there: with the default of 30 s, a fifth of a busy server.
    "history.transferProcessorUpdateAckInterval": '"1s"',
    "history.timerProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorUpdateAckInterval": '"1s"',
    # Of the workflows that run or ran in the last hour, so many are kept in memory. The default of
    # 128,000 is that of a server with a machine of its own.
    "history.hostLevelCacheMaxSize": "2000",
    # One partition instead of four: a poller always waits where the task is. With the next two,
    # workflows of three activities went from 71-86 to 108-110 a second.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # An activity of the worker that just finished the workflow task needs no trip to the queue.
    "system.enableActivityEagerExecution": "true",
    # The matcher that knows priorities, and costs less.
    "matching.useNewMatcher": "true",
    # Customers take turns in a queue: one's ten thousand do not delay another's one.
    "matching.enableFairness": "true",
    # The server would ask on the internet whether there is a newer one.
    "frontend.enableServerVersionCheck": "false",
}
"""Measured on server 1.29.1. Updates with start and queue rate limits need nothing: on by default.

Values are JSON.
"""

Connect = Callable[[], Awaitable[Client]]

_READY_ALL_THE_SAME: Final = frozenset(
    {
        RPCStatusCode.ALREADY_EXISTS,  # another process added the attributes just now
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer:
    """A dev server as it shall run; `temporal_cli.ensure_temporal_cli` finds `cli`."""

    cli: Path
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 7233
    ui_port: int | None = 8233
    """None: without the Web UI."""
    namespace: str = "default"
    log_level: str = "warn"
    log_format: str = "json"
    port_setting: str = "PERDURE_TEMPORAL_PORT"
    ui_port_setting: str = "PERDURE_TEMPORAL_UI_PORT"
    """What the ports' settings are called, for messages."""

    @property
    def address(self) -> str:
        """Where clients and workers connect."""
        return f"{self.host}:{self.port}"

    @property
    def ui_url(self) -> str | None:
        """Where the Web UI is."""
        return None if self.ui_port is None else f"http://{self.host}:{self.ui_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What `temporalio.envconfig` is to go by: no file, as one may be about another server."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }

    @property
    def database_file(self) -> Path:
        """Where everything the server knows is kept."""
        return self.data_dir.resolve() / "temporal.db"

    async def connect(self) -> Client:
        """Connect to it."""
        return await Client.connect(self.address, namespace=self.namespace)

    def arguments(self) -> list[str]:
        """Return the command that runs the server."""
        ui = ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        return [
            *(str(self.cli), "server", "start-dev"),
            *("--ip", self.host, "--port", str(self.port)),
            *ui,
            *("--db-filename", str(self.database_file)),
            *_pairs("--sqlite-pragma", SQLITE_PRAGMAS),
            *("--namespace", self.namespace),
            *_pairs("--search-attribute", dict.fromkeys(SEARCH_ATTRIBUTES, "Keyword")),
            *_pairs("--dynamic-config-value", DYNAMIC_CONFIG),
            *("--log-level", self.log_level, "--log-format", self.log_format),
        ]

    def process(self) -> ProcessSpec:
        """Return the server as a process to supervise."""
        file = self.database_file
        # The schema is not made in one transaction, and a server that finds half of it never
        # starts. So an attempt that was cut off before its server was ready is begun anew.
        begun = file.with_name(f"{file.name}.begun")

        def prepare() -> None:
            require_free_port(self.host, self.port, setting=self.port_setting)
            if self.ui_port is not None:
                require_free_port(self.host, self.ui_port, setting=self.ui_port_setting)
            file.parent.mkdir(parents=True, exist_ok=True)
            if begun.exists():
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
            elif not file.exists():
                begun.touch()

        async def prepare_aside() -> None:
            await asyncio.to_thread(prepare)

        async def ready() -> bool:
            if not await is_ready(self.connect):
                return False
            await asyncio.to_thread(begun.unlink, missing_ok=True)
            return True

        return ProcessSpec(
            name="temporal",
            argv=self.arguments(),
            prepare=prepare_aside,
            ready=ready,
            stop_wave=FOUNDATION,
        )


@asynccontextmanager
async def run_temporal(server: TemporalServer) -> AsyncIterator[TemporalServer]:
    """Run a dev server by itself until the end of `async with`, as tests do.

    Raises:
        ConfigurationError: It cannot start; the message says why.
    """
    reports: list[str] = []
    async with Supervisor(
        server.data_dir, [server.process()], report=reports.append, handle_signals=False
    ):
        yield server


async def is_ready(connect: Connect) -> bool:
    """Whether the server takes requests and knows the search attributes, which are added if not.

    The server adds them only to a namespace that it creates: a file from an earlier version of
    Perdure would go without the newer ones. Where nobody may add any but its administrator, as on
    Temporal Cloud, they are taken to be there.
    """
    try:
        client = await connect()
        service = client.operator_service
        found = await service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [name for name in SEARCH_ATTRIBUTES if name not in found.custom_attributes]
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            await service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
                )
            )
    except RPCError as error:
        return error.status in _READY_ALL_THE_SAME
    except (RuntimeError, ConfigurationError):  # what the client raises where nobody answers
        return False
    return True


async def wait_ready(connect: Connect, address: str, *, timeout_s: float) -> None:
    """Wait until a server takes requests.

    Raises:
        ConfigurationError: It does not within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while not await is_ready(connect):
        if time.monotonic() > deadline_s:
            raise ConfigurationError(
                f"Temporal does not answer at {address} after {timeout_s:g} s. Start it"
                " (`perdure up` does), or set TEMPORAL_ADDRESS.",
                param="TEMPORAL_ADDRESS",
            )
        await asyncio.sleep(0.05)


def require_free_port(host: str, port: int, *, setting: str) -> None:
    """Check that a server can listen on a port.

    Raises:
        ConfigurationError: Another program has it; the message names the setting.
    """
    try:
        require_free(host, port)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of {host} is {why_not(error)}. End that program, or set {setting} to a"
            " free port.",
            param=setting,
        ) from error


def _pairs(option: str, values: Mapping[str, str]) -> Sequence[str]:
    return [part for name, value in values.items() for part in (option, f"{name}={value}")]
