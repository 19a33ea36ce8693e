"""Temporal's real server on PostgreSQL, as production runs it, but all four services in a process.

It keeps its two databases on the PostgreSQL server that everything else uses.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from bench.peers.peer import PeerUnavailableError, Site
from bench.peers.temporal_engine import Engine
from bench.peers.worker_processes import print_error
from bench.ports import free_ports
from perdure.embedded.postgres import create_database, drop_database
from perdure.embedded.processes import FOUNDATION, ProcessSpec
from perdure.embedded.temporal import DYNAMIC_CONFIG, is_ready

MODULE: Final = "go.temporal.io/server"
VERSION: Final = "v1.29.1"
"""The version that is in the dev server of `perdure.embedded`."""
NAMESPACE: Final = "default"
SHARDS: Final = 4
DATABASES: Final = {"temporal": "temporal", "temporal_visibility": "visibility"}
"""Each database, and which of Temporal's schemas is in it."""
CONNECTIONS: Final = {"temporal": 16, "temporal_visibility": 4}
"""The most that each of the four services holds (20 and 2 in Temporal's own example)."""
SERVICES: Final = ("frontend", "history", "matching", "worker")
GIN_SUPPORT: Final = "CREATE EXTENSION IF NOT EXISTS btree_gin;"

SET_UP: Final = (
    f" Temporal's server {VERSION} on the same PostgreSQL server: all services in one process,"
    f" {SHARDS} history shards, postgres12_pgx, and the dynamic configuration of Perdure's dev"
    " server. The embedded PostgreSQL lacks btree_gin, so that the 11 GIN indexes of its visibility"
    " schema go without the namespace's column."
)


@asynccontextmanager
async def cluster(site: Site) -> AsyncIterator[Engine]:
    """Prepare the server, with empty databases, which are dropped at the end.

    Raises:
        PeerUnavailableError: Go is missing, or cannot build the server.
    """
    go = shutil.which("go")
    if go is None:
        raise PeerUnavailableError(f"{MODULE} has to be built, and Go is not installed")
    binaries = site.cache / "bin"
    await _build(go, await asyncio.to_thread(binaries.resolve))
    source = Path(
        json.loads(await _output(go, "mod", "download", "-json", f"{MODULE}@{VERSION}"))["Dir"]
    )
    folder = site.folder / "temporal-server"
    schemas = await asyncio.to_thread(_copy_schemas, source, folder)
    try:
        for database, schema in DATABASES.items():
            await drop_database(site.database_url, database)
            await create_database(site.database_url, database)
            tool = [str(binaries / "sql"), *_tool_options(site.database_url, database)]
            await _output(*tool, "setup-schema", "--version", "0.0")
            await _output(*tool, "update-schema", "--schema-dir", str(schemas / schema))
        yield await asyncio.to_thread(_engine, binaries / "server", folder, site.database_url)
    finally:
        for database in DATABASES:
            await drop_database(site.database_url, database)


async def _build(go: str, binaries: Path) -> None:
    """Build the server and its schema tool where they are not there yet: some minutes, once."""
    packages = {"sql": "cmd/tools/sql", "server": "cmd/server"}
    for name, package in packages.items():
        if (binaries / name).exists():
            continue
        print_error(f"Building {MODULE}/{package} {VERSION}: some minutes, once.")
        await _output(
            *("env", f"GOBIN={binaries}", go, "install"),
            f"{MODULE}/{package}@{VERSION}",
        )


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        last = (errors or output).decode().strip().rpartition("\n")[2]
        raise PeerUnavailableError(f"{' '.join(command)}: {last}")
    return output.decode()


def _copy_schemas(source: Path, folder: Path) -> Path:
    """Copy the versioned schemas, and take out what the embedded PostgreSQL does not have."""
    schemas = folder / "schemas"
    for schema in DATABASES.values():
        versions = source / "schema" / "postgresql" / "v12" / schema / "versioned"
        for file in versions.rglob("*"):
            if file.is_file():
                copy = schemas / schema / file.relative_to(versions)
                copy.parent.mkdir(parents=True, exist_ok=True)
                text = file.read_text().replace(GIN_SUPPORT, "")
                copy.write_text(text.replace("USING GIN (namespace_id, ", "USING GIN ("))
    return schemas


def _tool_options(database_url: str, database: str) -> Sequence[str]:
    host = ("--endpoint", "localhost", "--port", "5432", "--user", "postgres")
    attributes = "&".join(f"{name}={value}" for name, value in _attributes(database_url).items())
    return (
        *("--plugin", "postgres12_pgx", *host),
        *("--database", database, "--connect-attributes", attributes),
    )


def _attributes(database_url: str) -> dict[str, str]:
    """Return what leads Temporal to the socket: it has no other way to name one."""
    return {"host": parse_qs(urlsplit(database_url).query)["host"][0]}


def _engine(server: Path, folder: Path, database_url: str) -> Engine:
    free = free_ports()
    ports = {service: (next(free), next(free)) for service in SERVICES}
    address = f"127.0.0.1:{ports['frontend'][0]}"
    (folder / "config").mkdir(parents=True)
    dynamic = folder / "dynamic.yaml"
    # What is JSON is YAML too.
    settings = {**DYNAMIC_CONFIG, "system.namespaceCacheRefreshInterval": '"1s"'}
    dynamic.write_text(
        json.dumps({name: [{"value": json.loads(value)}] for name, value in settings.items()})
    )
    config = _config(ports, database_url, dynamic.resolve())
    (folder / "config" / "bench.yaml").write_text(json.dumps(config, indent=1))

    async def ready() -> bool:
        await _register_namespace(address)
        return await is_ready(lambda: Client.connect(address, namespace=NAMESPACE))

    return Engine(
        address,
        ProcessSpec(
            name="temporal",
            argv=(str(server.resolve()), "--env", "bench", "--allow-no-auth", "start"),
            cwd=folder.resolve(),
            ready=ready,
            stop_wave=FOUNDATION,
        ),
    )


async def _register_namespace(address: str) -> None:
    retention = Duration()
    retention.FromTimedelta(timedelta(days=1))
    request = RegisterNamespaceRequest(
        namespace=NAMESPACE, workflow_execution_retention_period=retention
    )
    try:
        client = await Client.connect(address)
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


def _config(ports: dict[str, tuple[int, int]], database_url: str, dynamic: Path) -> dict[str, Any]:
    stores = {
        name: {
            "sql": {
                "pluginName": "postgres12_pgx",
                "databaseName": name,
                "connectAddr": "localhost:5432",
                "connectProtocol": "tcp",
                "connectAttributes": _attributes(database_url),
                "user": "postgres",
                "maxConns": connections,
                "maxIdleConns": connections,
                "maxConnLifetime": "1h",
            }
        }
        for name, connections in CONNECTIONS.items()
    }
    services = {
        service: {"rpc": {"grpcPort": grpc, "membershipPort": membership, "bindOnLocalHost": True}}
        for service, (grpc, membership) in ports.items()
    }
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "temporal",
            "visibilityStore": "temporal_visibility",
            "numHistoryShards": SHARDS,
            "datastores": stores,
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
        "services": services,
        "clusterMetadata": {
            "enableGlobalNamespace": False,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": {
                "active": {
                    "enabled": True,
                    "initialFailoverVersion": 1,
                    "rpcName": "frontend",
                    "rpcAddress": f"127.0.0.1:{ports['frontend'][0]}",
                }
            },
        },
        "dcRedirectionPolicy": {"policy": "noop"},
        "archival": {
            name: {"state": "disabled", "enableRead": False} for name in ("history", "visibility")
        },
        "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "60s"},
    }
