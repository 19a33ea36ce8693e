"""The whole platform on one machine: what runs, where, and with which settings."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from perdure.cli.environment import (
    API_KEY,
    API_KEY_FILE,
    API_URL,
    DATA_DIR,
    DataFolder,
    is_about_servers,
    leave_out_servers,
    write_environment,
)
from perdure.cli.ports import HeldPorts, Ports, setting_of
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.identity import (
    BANK,
    FRAUD_SCORER,
    GATEWAY,
    MAIL,
    SMS,
    Identity,
    books_in,
    registry_of,
)
from perdure.core.ports import LOOPBACK
from perdure.durable.client import connect
from perdure.embedded.postgres import postgres_process, postgres_url
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor, require_nobody_runs
from perdure.embedded.temporal import TemporalServer, require_free_port, wait_ready
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.storage.migrate import migrate

_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0"})  # noqa: S104 - recognised, not listened at
_TEMPORAL_WAIT_S: Final = 20.0
_AFTER_WORKERS: Final = 1
"""The stop wave of what workers still call while they finish what they hold."""

Report = Callable[[str], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Machine:
    """A platform that runs on this machine.

    Args:
        supervisor: Keeps its processes running.
        temporal_ui_url: None: Temporal runs elsewhere.
        simulators: Where the simulators that run here answer.
        database_is_embedded: PostgreSQL runs here, in the data folder.
    """

    supervisor: Supervisor
    folder: DataFolder
    api_url: str
    temporal_ui_url: str | None
    gateway_url: str
    bank_url: str
    registry_urls: Mapping[str, str]
    simulators: Mapping[Identity, str]
    database_is_embedded: bool

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
    gateway_options: tuple[str, ...] = (),
    simulators: bool = True,
    report: Report,
) -> AsyncIterator[Machine]:
    """Run everything that is not set to be elsewhere, until the context ends.

    The settings of what runs become this process's environment, and the folder's file.

    Args:
        workers: How many processes carry operations forward.
        port_base: The first of the ports, where a setting does not say otherwise.
        gateway_options: More of the command line of the simulated gateway.
        simulators: Outside systems are simulated here, where no setting says otherwise.
        report: Told what happens, in sentences for the person at the terminal.

    Raises:
        ConfigurationError: A setting is wrong, ports are taken, or a process does not start.
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = dict(os.environ)
    with _hold_ports(folder, Ports.load(port_base), given, simulators=simulators) as ports:
        plan = _Plan(folder, ports, given, report)
        specs = await plan.specs(workers, gateway_options)
        leave_out_servers(os.environ, named_in=plan.environment)
        os.environ.update(plan.environment)
        settings = Settings.load()
        machine = Machine(
            Supervisor(folder.path, specs, report=report),
            folder,
            plan.api_url,
            plan.temporal_ui_url,
            settings.gateway_url,
            settings.bank_url,
            settings.registry_urls,
            plan.simulators,
            database_is_embedded="DATABASE_URL" in plan.environment,
        )
        async with machine.supervisor:
            write_environment(folder.environment_path, plan.lasting_environment())
            yield machine


def _hold_ports(
    folder: DataFolder, ports: Ports, given: Mapping[str, str], *, simulators: bool
) -> HeldPorts:
    api_host = given.get("PERDURE_API_HOST") or LOOPBACK
    try:
        return HeldPorts(ports, api_host=api_host, given=given, simulators=simulators)
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
        self.simulators: dict[Identity, str] = {}
        api_host = given.get("PERDURE_API_HOST", "")
        reached_at = LOOPBACK if api_host in _ANY_ADDRESS else api_host
        self.api_url = f"http://{reached_at}:{ports.api.number}"

    async def specs(self, workers: int, gateway_options: tuple[str, ...]) -> list[ProcessSpec]:
        """Return the processes in the order of their start."""
        return [
            *self._database(),
            *await self._temporal(),
            self._api(),
            *self._simulators(gateway_options),
            *self._workers(workers),
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
        for name in (API_KEY, API_KEY_FILE):
            together.pop(name, None)
        return together

    def _database(self) -> list[ProcessSpec]:
        if self.given.get("DATABASE_URL"):
            return []
        self.environment["DATABASE_URL"] = postgres_url(self.folder.path)
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
        return [server.process()]

    def _api(self) -> ProcessSpec:
        self.environment["PERDURE_API_PORT"] = str(self.ports.api.number)
        # With the folder's key, all that commands need to know of it.
        self.environment[API_URL] = self.api_url
        if not self.given.get("PERDURE_GATEWAY_CALLBACK_URL"):
            url = f"{self.api_url}/v1/callbacks/gateway"
            self.environment["PERDURE_GATEWAY_CALLBACK_URL"] = url
        if not self.given.get("PERDURE_GATEWAY_CALLBACK_SECRETS"):
            secrets = json.dumps([self.folder.callback_secret()])
            self.environment["PERDURE_GATEWAY_CALLBACK_SECRETS"] = secrets

        async def bring_tables() -> None:
            await migrate(os.environ["DATABASE_URL"])

        async def ready() -> bool:
            return await _answers(f"{self.api_url}/readyz")

        return ProcessSpec(
            name="api",
            argv=_perdure("api"),
            listener=self.ports.api.socket,
            prepare=bring_tables,
            ready=ready,
            stop_wave=_AFTER_WORKERS,
        )

    def _simulators(self, gateway_options: tuple[str, ...]) -> list[ProcessSpec]:
        """Return a simulator for each outside system that is not set to be a real one."""
        specs = []
        for name, part, options in (
            (GATEWAY, "gateway", gateway_options),
            (FRAUD_SCORER, "fraud_scorer", ()),
            (SMS, "sms", ()),
            (BANK, "bank", ()),
        ):
            if f"{part}_port" in self.ports:
                self.environment[f"PERDURE_{part.upper()}_URL"] = self._url(name, f"{part}_port")
                specs.append(self._simulator(name, {"--port": f"{part}_port"}, options))
        if "mail_port" in self.ports:
            specs.append(self._mail())
        registries = {tld: f"registry_{tld}_port" for tld in ("info", "fr", "com")}
        here = {tld: name for tld, name in registries.items() if name in self.ports}
        if here:
            specs.append(self._registries(here))
        return specs

    def _registries(self, names: Mapping[str, str]) -> ProcessSpec:
        without = [tld for tld in ("info", "fr", "com") if tld not in names]
        options = tuple(word for tld in without for word in ("--without", tld))
        urls = {tld: self._url(registry_of(tld), name) for tld, name in names.items()}
        self.environment["PERDURE_REGISTRY_URLS"] = json.dumps(urls)
        ports = {f"--{tld}-port": name for tld, name in names.items()}
        return self._simulator("registries", ports, options)

    def _mail(self) -> ProcessSpec:
        self.environment["PERDURE_MAIL_HOST"] = LOOPBACK
        self.environment["PERDURE_MAIL_PORT"] = str(self.ports["mail_port"])
        self.environment["PERDURE_MAIL_INQUIRY_URL"] = self._url(MAIL, "mail_inquiry_port")
        return self._simulator(MAIL, {"--port": "mail_inquiry_port", "--smtp-port": "mail_port"})

    def _url(self, kind: str, port: str) -> str:
        """Return where a simulator answers, of which is known from then on who it has to be."""
        url = f"http://{LOOPBACK}:{self.ports[port]}"
        books = "" if kind == FRAUD_SCORER else books_in(self.folder.path / "simulators")
        self.simulators[Identity(kind, books)] = url
        return url

    def _simulator(
        self, name: str, port_options: Mapping[str, str], options: tuple[str, ...] = ()
    ) -> ProcessSpec:
        numbers = {setting_of(port): self.ports[port] for port in port_options.values()}
        listening = [
            word
            for option, port in port_options.items()
            for word in (option, str(self.ports[port]))
        ]

        async def require_ports() -> None:
            for setting, number in numbers.items():
                require_free_port(LOOPBACK, number, setting=setting)

        argv = (sys.executable, "-m", "perdure.cli.simulate", name, *listening, *options)
        return ProcessSpec(name=name, argv=argv, prepare=require_ports, stop_wave=_AFTER_WORKERS)

    def _workers(self, count: int) -> list[ProcessSpec]:
        roles = [
            *((f"worker-operations-{number}", "operations") for number in range(1, count + 1)),
            ("worker-lanes", "lanes"),
            ("worker-fraud", "fraud"),
            ("worker-notifications", "notifications"),
            ("worker-providers", "providers"),
        ]
        return [
            ProcessSpec(name=name, argv=_perdure("worker", "--role", role)) for name, role in roles
        ]


def _perdure(*arguments: str) -> tuple[str, ...]:
    # By the module, so that it is this installation's whatever PATH says.
    return (sys.executable, "-m", "perdure.cli.main", *arguments)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False
