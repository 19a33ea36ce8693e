"""The whole platform on one machine: what runs, where, and with which settings."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import httpx
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from perdure.cli.environment import DATA_DIR, DataFolder, write_environment
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.durable.client import connect
from perdure.embedded.postgres import postgres_process, postgres_url
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor
from perdure.embedded.temporal import TemporalServer, free_port, require_free_port, wait_ready
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.storage.migrate import migrate

LOOPBACK: Final = "127.0.0.1"
_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0"})  # noqa: S104 - recognised, not listened at
_TEMPORAL_WAIT_S: Final = 20.0
_AFTER_WORKERS: Final = 1
"""The stop wave of what workers still call while they finish what they hold."""

Report = Callable[[str], None]


class Ports(BaseSettings):
    """Where each part listens, as `PERDURE_<FIELD>`; 0: any port that is free."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_", frozen=True, extra="ignore")

    api_port: int = Field(default=8080, ge=0, le=65535)
    temporal_port: int = Field(default=7233, ge=0, le=65535)
    temporal_ui_port: int = Field(default=8233, ge=0, le=65535)
    gateway_port: int = Field(default=8101, ge=0, le=65535)
    fraud_scorer_port: int = Field(default=8102, ge=0, le=65535)
    mail_inquiry_port: int = Field(default=8103, ge=0, le=65535)
    mail_port: int = Field(default=8125, ge=0, le=65535)
    sms_port: int = Field(default=8104, ge=0, le=65535)
    bank_port: int = Field(default=8105, ge=0, le=65535)
    registry_info_port: int = Field(default=8106, ge=0, le=65535)
    registry_fr_port: int = Field(default=8107, ge=0, le=65535)
    registry_com_port: int = Field(default=8108, ge=0, le=65535)

    @classmethod
    def load(cls) -> Self:
        """Read the ports, and choose those that are left open.

        Raises:
            ConfigurationError: One is no port.
        """
        try:
            ports = cls()
        except ValidationError as error:
            name = f"PERDURE_{str(error.errors()[0]['loc'][0]).upper()}"
            raise ConfigurationError(
                f"{name} is not a port; give one from 0 (any that is free) to 65535.", param=name
            ) from error
        open_ones = {name: free_port() for name, port in ports if port == 0}
        return ports.model_copy(update=open_ones)


@dataclass(frozen=True, slots=True)
class Machine:
    """A platform that runs on this machine.

    Args:
        supervisor: Keeps its processes running.
        temporal_ui_url: None: Temporal runs elsewhere.
        database_is_embedded: PostgreSQL runs here, in the data folder.
    """

    supervisor: Supervisor
    folder: DataFolder
    api_url: str
    temporal_ui_url: str | None
    gateway_url: str
    bank_url: str
    database_is_embedded: bool


@asynccontextmanager
async def run_machine(
    folder: DataFolder, *, workers: int, gateway_options: tuple[str, ...] = (), report: Report
) -> AsyncIterator[Machine]:
    """Run everything that is not set to be elsewhere, until the context ends.

    The settings of what runs become this process's environment, and the folder's file.

    Args:
        workers: How many processes carry operations forward.
        gateway_options: More of the command line of the simulated gateway.
        report: Told what happens, in sentences for the person at the terminal.

    Raises:
        ConfigurationError: A setting is wrong, a port is taken, or a process does not start.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    given = dict(os.environ)
    plan = _Plan(folder, Ports.load(), given, report)
    specs = await plan.specs(workers, gateway_options)
    os.environ.update(plan.environment)
    settings = Settings.load()
    machine = Machine(
        Supervisor(folder.path, specs, report=report),
        folder,
        plan.api_url,
        plan.temporal_ui_url,
        settings.gateway_url,
        settings.bank_url,
        database_is_embedded="DATABASE_URL" in plan.environment,
    )
    async with machine.supervisor:
        write_environment(folder.environment_path, plan.lasting_environment())
        yield machine


class _Plan:
    """Works out which processes there have to be, and how they find each other."""

    def __init__(
        self, folder: DataFolder, ports: Ports, given: dict[str, str], report: Report
    ) -> None:
        self.folder = folder
        self.ports = ports
        self.given = given
        self.report = report
        self.environment = {DATA_DIR: str(folder.path.resolve())}
        self.temporal_ui_url: str | None = None
        self.api_host = given.get("PERDURE_API_HOST", LOOPBACK)
        reached_at = LOOPBACK if self.api_host in _ANY_ADDRESS else self.api_host
        self.api_url = f"http://{reached_at}:{ports.api_port}"

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
            if name.startswith(("PERDURE_", "TEMPORAL_")) or name == "DATABASE_URL"
        }
        together = given | self.environment
        together.pop(DATA_DIR, None)
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
            port=self.ports.temporal_port,
            ui_port=self.ports.temporal_ui_port,
        )
        self.environment["TEMPORAL_ADDRESS"] = server.address
        self.temporal_ui_url = server.ui_url
        return [server.process()]

    def _api(self) -> ProcessSpec:
        port = self.ports.api_port
        self.environment["PERDURE_API_PORT"] = str(port)
        if "PERDURE_GATEWAY_CALLBACK_URL" not in self.given:
            url = f"{self.api_url}/v1/callbacks/gateway"
            self.environment["PERDURE_GATEWAY_CALLBACK_URL"] = url
        if "PERDURE_GATEWAY_CALLBACK_SECRETS" not in self.given:
            secrets = json.dumps([self.folder.callback_secret()])
            self.environment["PERDURE_GATEWAY_CALLBACK_SECRETS"] = secrets

        async def bring_tables() -> None:
            require_free_port(self.api_host, port, setting="PERDURE_API_PORT")
            await migrate(os.environ["DATABASE_URL"])

        async def ready() -> bool:
            return await _answers(f"{self.api_url}/readyz")

        return ProcessSpec(
            name="api",
            argv=_perdure("api"),
            prepare=bring_tables,
            ready=ready,
            stop_wave=_AFTER_WORKERS,
        )

    def _simulators(self, gateway_options: tuple[str, ...]) -> list[ProcessSpec]:
        """Return a simulator for each outside system that is not set to be a real one."""
        ports, specs = self.ports, []
        for name, setting, port, options in (
            ("gateway", "GATEWAY", ports.gateway_port, gateway_options),
            ("fraud-scorer", "FRAUD_SCORER", ports.fraud_scorer_port, ()),
            ("sms", "SMS", ports.sms_port, ()),
            ("bank", "BANK", ports.bank_port, ()),
        ):
            if f"PERDURE_{setting}_URL" not in self.given:
                self.environment[f"PERDURE_{setting}_URL"] = f"http://{LOOPBACK}:{port}"
                arguments = ("--port", str(port), *options)
                specs.append(_simulator(name, arguments, {f"PERDURE_{setting}_PORT": port}))
        if "PERDURE_MAIL_HOST" not in self.given:
            specs.append(self._mail())
        if "PERDURE_REGISTRY_URLS" not in self.given:
            specs.append(self._registries())
        return specs

    def _registries(self) -> ProcessSpec:
        ports = {
            "info": self.ports.registry_info_port,
            "fr": self.ports.registry_fr_port,
            "com": self.ports.registry_com_port,
        }
        urls = {tld: f"http://{LOOPBACK}:{port}" for tld, port in ports.items()}
        self.environment["PERDURE_REGISTRY_URLS"] = json.dumps(urls)
        return _simulator(
            "registries",
            tuple(word for tld, port in ports.items() for word in (f"--{tld}-port", str(port))),
            {f"PERDURE_REGISTRY_{tld.upper()}_PORT": port for tld, port in ports.items()},
        )

    def _mail(self) -> ProcessSpec:
        port, smtp_port = self.ports.mail_inquiry_port, self.ports.mail_port
        self.environment["PERDURE_MAIL_HOST"] = LOOPBACK
        self.environment["PERDURE_MAIL_PORT"] = str(smtp_port)
        self.environment["PERDURE_MAIL_INQUIRY_URL"] = f"http://{LOOPBACK}:{port}"
        return _simulator(
            "mail",
            ("--port", str(port), "--smtp-port", str(smtp_port)),
            {"PERDURE_MAIL_INQUIRY_PORT": port, "PERDURE_MAIL_PORT": smtp_port},
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
            ProcessSpec(name=name, argv=_perdure("worker", "--role", role)) for name, role in roles
        ]


def _simulator(name: str, arguments: tuple[str, ...], ports: dict[str, int]) -> ProcessSpec:
    async def require_ports() -> None:
        for setting, port in ports.items():
            require_free_port(LOOPBACK, port, setting=setting)

    argv = (sys.executable, "-m", "perdure.cli.simulate", name, *arguments)
    return ProcessSpec(name=name, argv=argv, prepare=require_ports, stop_wave=_AFTER_WORKERS)


def _perdure(*arguments: str) -> tuple[str, ...]:
    # By the module, so that it is this installation's whatever PATH says.
    return (sys.executable, "-m", "perdure.cli.main", *arguments)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False
