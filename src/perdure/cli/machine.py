"""The whole platform on one machine: what runs, where, and with which settings."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import httpx

from perdure.capability.books import Providers, books
from perdure.cli.environment import (
    API_KEY,
    API_KEY_FILE,
    API_URL,
    DATA_DIR,
    DataFolder,
    is_about_servers,
    leave_out_servers,
    write_environment,
    write_private,
)
from perdure.cli.metrics_ports import with_metrics
from perdure.cli.ports import API, OWN, TEMPORAL, HeldPorts, choose_ports, setting_of
from perdure.cli.simulated import Running, Simulated, default_ports, roles, simulated
from perdure.cli.who_answers import NO_TLS
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.identity import books_in
from perdure.core.ports import LOOPBACK
from perdure.durable.client import connect
from perdure.durable.payloads.settings import KEYS, KEYS_FILE, new_master
from perdure.embedded.postgres import postgres_process, postgres_url
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.redis import redis_process, redis_url
from perdure.embedded.supervisor import Supervisor, require_nobody_runs
from perdure.embedded.temporal import TemporalServer, require_free_port, wait_ready
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.legacy.ways import ways_by_plural
from perdure.observability.runtime import METRICS_PORT
from perdure.providers.choice import Use
from perdure.schema import migrate

_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0"})  # noqa: S104 - recognised, not listened at
_TEMPORAL_WAIT_S: Final = 20.0
_PERDURE: Final = "perdure.cli.main:main"
_AFTER_WORKERS: Final = 1
"""The stop wave of what workers still call while they finish what they hold."""

Report = Callable[[str], None]
Result = TypeVar("Result")
SimulatorOptions = Mapping[str, tuple[str, ...]]
NO_OPTIONS: Final[SimulatorOptions] = {}


@dataclass(frozen=True, slots=True)
class Machine:
    """A platform that runs on this machine.

    Args:
        supervisor: Keeps its processes running.
        processes: Their names, in the order of their start.
        temporal_ui_url: None: Temporal runs elsewhere.
        simulators: Those that run here, with where they answer.
        database_is_embedded: PostgreSQL runs here, in the data folder.
    """

    supervisor: Supervisor
    processes: Sequence[str]
    folder: DataFolder
    api_url: str
    temporal_ui_url: str | None
    simulators: Sequence[Running]
    database_is_embedded: bool

    def urls_of(self, role: str) -> list[str]:
        """Return where the simulators of a role answer."""
        return [one.url for one in self.simulators if one.role.name == role]

    @property
    def faulty_urls(self) -> list[str]:
        """Where those answer that fail by chance, as they are told to."""
        return [
            one.url
            for one in self.simulators
            if one.role.simulator and one.role.simulator.has_faults
        ]

    @property
    def keep_books(self) -> frozenset[str]:
        """The simulators that remember all that they ever did, by their processes' names."""
        found = (one.role.simulator for one in self.simulators)
        return frozenset(one.name for one in found if one and one.keeps_books)

    @property
    def books(self) -> Providers:
        """Whose books `verify` compares with ours."""
        found: dict[str, dict[str, Use[Any]]] = {}
        for one in self.simulators:
            if one.role.name in books():
                found.setdefault(one.role.name, {})[one.tld] = one.role.at(one.asked_at, one.tld)
        return found

    async def unless_stopped(
        self, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result | None:
        """Do the work; None where somebody ends the platform before it is done."""
        if self.supervisor.stop_requested:
            return None
        working = asyncio.ensure_future(work())
        stopped = asyncio.ensure_future(self.supervisor.run_until_signalled())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopped.cancel()
            return working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return None


@asynccontextmanager
async def run_machine(
    folder: DataFolder,
    *,
    workers: int,
    port_base: int | None = None,
    options: SimulatorOptions = NO_OPTIONS,
    simulators: bool = True,
    legacy: bool = False,
    report: Report,
) -> AsyncIterator[Machine]:
    """Run everything that is not set to be elsewhere, until the context ends.

    The settings of what runs become this process's environment, and the folder's file.

    Args:
        workers: How many processes carry operations forward.
        port_base: The first of the ports, where a setting does not say otherwise.
        options: More of the command lines of simulators, by their names.
        simulators: Outside systems are simulated here, where no setting says otherwise.
        legacy: The system before this one runs here too.
        report: Told what happens, in sentences for the person at the terminal.

    Raises:
        ConfigurationError: A setting is wrong, ports are taken, or a process does not start.
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    given, settings = dict(os.environ), Settings.load()
    ports = choose_ports(OWN | default_ports(settings), port_base)
    outside = simulated(settings, given) if simulators else []
    with _hold_ports(folder, _ports_here(ports, outside, given), given) as held:
        plan = _Plan(folder, held, given, report)
        specs = await plan.specs(workers, outside, options)
        if legacy:
            specs += plan.legacy()
        leave_out_servers(os.environ, named_in=plan.environment)
        os.environ.update(plan.environment)
        with with_metrics(specs) as (measured, targets):
            machine = Machine(
                Supervisor(folder.path, measured, report=report),
                [spec.name for spec in specs],
                folder,
                plan.api_url,
                plan.temporal_ui_url,
                plan.simulators,
                database_is_embedded="DATABASE_URL" in plan.environment,
            )
            async with machine.supervisor:
                write_environment(folder.environment_path, plan.lasting_environment())
                write_private(folder.metrics_path, targets)
                yield machine


def _ports_here(
    ports: Mapping[str, int], outside: Sequence[Simulated], given: Mapping[str, str]
) -> dict[str, int]:
    """Return the ports of what runs here, in their order."""
    here = {API, *(one.port for each in outside for one in each.listens)}
    if not given.get("TEMPORAL_ADDRESS"):
        here.update(TEMPORAL)
    return {name: port for name, port in ports.items() if name in here}


def _hold_ports(
    folder: DataFolder, ports: Mapping[str, int], given: Mapping[str, str]
) -> HeldPorts:
    api_host = given.get("PERDURE_API_HOST") or LOOPBACK
    try:
        return HeldPorts(ports, api_host=api_host)
    except ConfigurationError:
        # Those of the platform that runs there already are no other program's.
        require_nobody_runs(folder.path.resolve())
        raise


class _Plan:
    """Works out which processes there have to be, and how they find each other."""

    def __init__(
        self, folder: DataFolder, ports: HeldPorts, given: dict[str, str], report: Report
    ) -> None:
        self.folder = folder
        self.ports = ports
        self.given = given
        self.report = report
        self.environment = {DATA_DIR: str(folder.path.resolve())}
        self.temporal_ui_url: str | None = None
        self.simulators: list[Running] = []
        self._has_tables = asyncio.Event()
        api_host = given.get("PERDURE_API_HOST", "")
        reached_at = LOOPBACK if api_host in _ANY_ADDRESS else api_host
        self.api_url = f"http://{reached_at}:{ports.api.number}"

    async def specs(
        self, workers: int, outside: Sequence[Simulated], options: SimulatorOptions = NO_OPTIONS
    ) -> list[ProcessSpec]:
        """Return the processes in the order of their start."""
        return [
            *self._database(),
            *await self._temporal(),
            *(self._simulator(one, options.get(one.simulator.name, ())) for one in outside),
            self._api(),
            *self._workers(workers),
        ]

    def legacy(self) -> list[ProcessSpec]:
        """Return the processes of the system before this one, where it carries out several kinds.

        Raises:
            ConfigurationError: There is no Redis, and no setting says where one is.
        """
        ways = ways_by_plural()
        needed = sorted({way.broker for way in ways.values() if way.broker} - {*self.given})
        self.environment |= dict.fromkeys(needed, redis_url(self.folder.path))
        return [
            *(redis_process(self.folder.path, setting) for setting in needed[:1]),
            *(
                ProcessSpec(
                    name=f"legacy-{plural}-{what}",
                    argv=_perdure("legacy", what, "--kind", plural),
                    entry=_PERDURE,
                    beside=True,
                    prepare=self._wait_for_tables,
                    restart="on_failure",  # who ends it for good ends it by SIGTERM
                )
                for plural, way in ways.items()
                for what, place in (("worker", way.worker), ("beat", way.beat))
                if place
            ),
        ]

    def lasting_environment(self) -> dict[str, str]:
        """Return what other commands need to know: what was given, and what was worked out."""
        given = {
            name: value
            for name, value in self.given.items()
            if name.startswith("PERDURE_") or is_about_servers(name)
        }
        leave_out_servers(given, named_in=self.environment)
        together = given | self.environment
        together.pop(DATA_DIR, None)
        # To some other API: this one's first key is in the folder.
        for name in (API_KEY, API_KEY_FILE, METRICS_PORT):
            together.pop(name, None)
        return together

    def _database(self) -> list[ProcessSpec]:
        if self.given.get("DATABASE_URL"):
            return []
        self.environment["DATABASE_URL"] = postgres_url(self.folder.path)
        if not (self.given.get(KEYS) or self.given.get(KEYS_FILE)):
            # In the folder, as the database is whose keys it wraps.
            path = self.folder.payload_keys_path
            if not path.exists():
                write_private(path, json.dumps([new_master("up")]))
            self.environment[KEYS_FILE] = str(path.resolve())
        return [postgres_process(self.folder.path)]

    async def _temporal(self) -> list[ProcessSpec]:
        if address := self.given.get("TEMPORAL_ADDRESS"):
            # With TLS and an API key, where the settings say so.
            await wait_ready(connect, address, timeout_s=_TEMPORAL_WAIT_S)
            return []
        server = TemporalServer(
            cli=ensure_temporal_cli(self.report),
            data_dir=self.folder.path,
            port=self.ports["temporal_port"],
            ui_port=self.ports["temporal_ui_port"],
        )
        self.environment |= server.environment
        self.temporal_ui_url = server.ui_url
        return [replace(server.process(), beside=True)]

    def _api(self) -> ProcessSpec:
        self.environment["PERDURE_API_PORT"] = str(self.ports.api.number)
        # With the folder's key, all that commands need to know of it.
        self.environment[API_URL] = self.api_url
        for role in roles(Settings.load()):
            if role.callbacks:
                self._set_unless_given(
                    f"{role.prefix}CALLBACK_URL", f"{self.api_url}{role.callbacks}"
                )
                self._set_unless_given(
                    f"{role.prefix}CALLBACK_SECRETS", json.dumps([self.folder.callback_secret()])
                )

        async def bring_tables() -> None:
            await migrate(os.environ["DATABASE_URL"])
            self._has_tables.set()

        async def ready() -> bool:
            return await _answers(f"{self.api_url}/readyz")

        return ProcessSpec(
            name="api",
            argv=_perdure("api"),
            entry=_PERDURE,
            listener=self.ports.api.socket,
            prepare=bring_tables,
            ready=ready,
            stop_wave=_AFTER_WORKERS,
        )

    def _set_unless_given(self, name: str, value: str) -> None:
        if not self.given.get(name):
            self.environment[name] = value

    def _simulator(self, outside: Simulated, options: tuple[str, ...]) -> ProcessSpec:
        """Return the process of a simulator, of which is known from then on who it has to be."""
        self.environment |= outside.settings(self.ports)
        books = books_in(self.folder.path / "simulators")
        self.simulators += outside.running(self.ports, books)
        numbers = {setting_of(one.port): self.ports[one.port] for one in outside.listens}

        async def require_ports() -> None:
            for setting, number in numbers.items():
                require_free_port(LOOPBACK, number, setting=setting)

        return ProcessSpec(
            name=outside.simulator.name,
            argv=(
                *(sys.executable, "-m", "perdure.cli.simulate"),
                *(*outside.argv(self.ports), *options),
            ),
            entry="perdure.cli.simulate:app",
            beside=True,
            prepare=require_ports,
            stop_wave=_AFTER_WORKERS,
        )

    def _workers(self, count: int) -> list[ProcessSpec]:
        roles = [
            *((f"worker-operations-{number}", "operations") for number in range(1, count + 1)),
            ("worker-lanes", "lanes"),
            ("worker-fraud", "fraud"),
            ("worker-notifications", "notifications"),
            ("worker-providers", "providers"),
        ]
        return [
            ProcessSpec(
                name=name,
                argv=_perdure("worker", "--role", role),
                entry=_PERDURE,
                beside=True,
                prepare=self._wait_for_tables,
            )
            for name, role in roles
        ]

    async def _wait_for_tables(self) -> None:
        await self._has_tables.wait()


def _perdure(*arguments: str) -> tuple[str, ...]:
    # By the module, so that it is this installation's whatever PATH says.
    return (sys.executable, "-m", "perdure.cli.main", *arguments)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=5) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False
