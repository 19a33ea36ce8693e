"""The Temporal server that a peer's workflows run on: the dev server, or the real one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import Site
from bench.peers.worker_processes import print_error
from bench.ports import free_port
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.temporal import TemporalServer
from perdure.embedded.temporal_cli import ensure_temporal_cli


@dataclass(frozen=True, slots=True)
class Engine:
    """A server that can be started.

    Args:
        address: Where it will answer.
    """

    address: str
    process: ProcessSpec


OpenEngine = Callable[[Site], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def dev_server(site: Site) -> AsyncIterator[Engine]:
    """Prepare Perdure's embedded dev server."""
    server = temporal_server(site.folder)
    yield Engine(server.address, server.process())


def temporal_server(folder: Path) -> TemporalServer:
    """Return Perdure's embedded dev server, in a folder of its own."""
    return TemporalServer(
        cli=ensure_temporal_cli(print_error), data_dir=folder, port=free_port(), ui_port=None
    )
