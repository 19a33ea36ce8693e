"""What the peers' worker processes have in common."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.books import SqlBooks
from bench.peers.peer import Site
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor


@dataclass
class OnSqlBooks:
    """A started peer whose steps work on the shared books; it has only to add `submit`."""

    books: SqlBooks
    supervisor: Supervisor

    @property
    def processes(self) -> Mapping[str, int]:
        """Its processes' ids."""
        return self.supervisor.pids

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which payments have ended, and when."""
        return await self.books.finished(operation_ids)

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Compare the effects with what was asked."""
        return await self.books.violations(done, books)


def supervised(folder: Path, specs: list[ProcessSpec]) -> Supervisor:
    """Return a supervisor of a peer's processes, with their logs in the folder."""
    return Supervisor(folder, specs, report=print_error, handle_signals=False)


def started_together(specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    """Have processes start at the same time."""
    first, *others = specs
    return [first, *(replace(spec, beside=True) for spec in others)]


def marked_ready(mark: Path) -> Callable[[], Awaitable[bool]]:
    """Return a check for the file that a worker makes once it polls."""

    async def ready() -> bool:
        return await asyncio.to_thread(mark.exists)

    return ready


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs one of the benchmark's modules."""
    return (sys.executable, "-m", module, *arguments)


def steps_environment(site: Site) -> dict[str, str]:
    """Return how a worker process finds the books and the provider."""
    return {"BENCH_DATABASE_URL": site.database_url, "BENCH_PROVIDER_URL": site.provider_url}


def print_error(sentence: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"{sentence}\n")


async def until_terminated() -> None:
    """Wait for SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
